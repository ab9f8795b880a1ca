"""One agent's memory in C, for use by other compiled modules."""

cimport cython
from libc.stdint cimport int32_t, int64_t

from gnomon.features.compiled.arrays cimport Int64Array
from gnomon.features.compiled.history cimport Runs
from gnomon.features.compiled.tasks cimport EndedTasks, TasksInFlight
from gnomon.features.compiled.vector cimport FeatureVector, HourFeatures
from gnomon.features.compiled.window cimport Window


cdef struct StartFeatures:
    FeatureVector vector
    int64_t late_dropped


cdef struct CurrentFeatures:
    HourFeatures hour
    int64_t last_finished_at_ms  # -1 before the first finish
    int64_t late_dropped


@cython.no_gc
cdef class Memory:
    """What an ``AgentMemory`` remembers; events and features are no Python objects."""

    cdef public int64_t newest_ms, appended_ms, published_count, due_minute
    cdef int64_t batch  # number of the last batch with an event of this agent
    cdef int64_t forgotten_finish_ms
    cdef Py_ssize_t prune_at
    cdef Window window
    cdef Int64Array late_times
    cdef EndedTasks ended
    cdef TasksInFlight in_flight
    cdef Runs overall
    cdef dict by_type

    cdef bint start_task(
        self,
        int64_t key,
        str task_type,
        int64_t t,
        int64_t appended_ms,
        int64_t retention_ms,
        StartFeatures* into,
    ) except -1
    cdef int finish_task(
        self,
        int64_t key,
        str task_type,
        int64_t time_ms,
        double duration_s,
        int32_t flags,
        int64_t appended_ms,
        int64_t retention_ms,
    ) except -1
    cdef int cancel_task(
        self, int64_t key, int64_t time_ms, int64_t appended_ms, int64_t retention_ms
    ) except -1
    cdef int current_features(self, int64_t as_of_ms, CurrentFeatures* into) except -1
    cdef int64_t count_current(self, int64_t as_of_ms) except -1
    cdef int64_t decay_ms(self, int64_t as_of_ms) except -2
    @cython.final
    cdef int64_t advance(self, int64_t time_ms, int64_t appended_ms, int64_t retention_ms) noexcept
    @cython.final
    cdef int64_t last_finish_ms(self, int64_t until_ms, int64_t retained_from_ms) noexcept
    @cython.final
    cdef int64_t newest_finish_ms(self, int64_t until_ms) noexcept
    @cython.final
    cdef int add_run(self, str task_type, int64_t run) except -1
    @cython.final
    cdef int forget(self, int64_t retained_from_ms) except -1
