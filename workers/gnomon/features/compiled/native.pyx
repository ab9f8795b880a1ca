# cython: language_level=3
"""One agent's memory in C with the interface of ``AgentMemory``: events and features are objects."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.stdint cimport int32_t, int64_t

from gnomon.features.compiled.arrays cimport (
    check_ascending, check_within, int64_bytes, read_int64s,
)
from gnomon.features.compiled.history cimport Runs, runs_of
from gnomon.features.compiled.memory cimport CurrentFeatures, StartFeatures
from gnomon.features.compiled.restoring cimport read_ended, read_in_flight, read_window
from gnomon.features.compiled.tasks cimport task_key
from gnomon.features.compiled.vector cimport hour_object, vector_object
from gnomon.features.compiled.window cimport UNKNOWN, Finish, pack_flags

from sys import intern

from gnomon.features.memory.agent_memory import (
    AgentColumns,
    CurrentFeatures as CurrentObject,
    StartFeatures as StartObject,
)
from gnomon.features.memory.columns import (
    DURATIONS_END_NS as _DURATIONS_END_NS,
    TIMES_END_MS as _TIMES_END_MS,
)
from gnomon.features.config import FLIGHT_MS as _FLIGHT_MS

cdef int64_t FLIGHT_MS = _FLIGHT_MS
# Bounds of the numbers in a snapshot: their sums and differences cannot overflow.
cdef int64_t TIMES_END_MS = _TIMES_END_MS
cdef int64_t DURATIONS_END_NS = _DURATIONS_END_NS


cdef class Agent(Memory):
    def start(self, event, int64_t appended_ms, int64_t retention_ms):
        cdef StartFeatures known
        if not self.start_task(
            key_of(event.task_id),
            event.task_type,
            event.started_at_ms,
            appended_ms,
            retention_ms,
            &known,
        ):
            return None
        return StartObject(vector_object(&known.vector), known.late_dropped)

    def finish(self, event, int64_t appended_ms, int64_t retention_ms):
        reviews, deployed = event.code_review_iterations, event.deployment_succeeded
        cdef int32_t flags = pack_flags(
            event.succeeded,
            UNKNOWN if reviews is None else reviews,
            UNKNOWN if deployed is None else deployed,
        )
        self.finish_task(
            key_of(event.task_id),
            event.task_type,
            event.finished_at_ms,
            event.duration_s,
            flags,
            appended_ms,
            retention_ms,
        )

    def cancel(self, event, int64_t appended_ms, int64_t retention_ms):
        self.cancel_task(key_of(event.task_id), event.cancelled_at_ms, appended_ms, retention_ms)

    def current(self, int64_t as_of_ms):
        cdef CurrentFeatures known
        self.current_features(as_of_ms, &known)
        last_ms = None if known.last_finished_at_ms < 0 else known.last_finished_at_ms
        return CurrentObject(hour_object(&known.hour), last_ms, known.late_dropped)

    def current_count(self, int64_t as_of_ms):
        return self.count_current(as_of_ms)

    def decays_at_ms(self, int64_t as_of_ms):
        return self.decay_ms(as_of_ms)

    def columns(self):
        cdef const Finish* finishes = self.window.finishes
        cdef Py_ssize_t n = self.window.n, i
        cdef Runs runs
        cdef bytes times = PyBytes_FromStringAndSize(NULL, n * sizeof(int64_t))
        cdef bytes durations = PyBytes_FromStringAndSize(NULL, n * sizeof(int64_t))
        cdef bytes flags = PyBytes_FromStringAndSize(NULL, n * sizeof(int32_t))
        cdef bytes ended_keys = PyBytes_FromStringAndSize(NULL, self.ended.n * sizeof(int64_t))
        cdef bytes codes = PyBytes_FromStringAndSize(NULL, self.ended.n * sizeof(int64_t))
        cdef bytes keys = PyBytes_FromStringAndSize(NULL, self.in_flight.n * sizeof(int64_t))
        cdef bytes starts = PyBytes_FromStringAndSize(NULL, self.in_flight.n * sizeof(int64_t))
        for i in range(n):
            (<int64_t*>PyBytes_AS_STRING(times))[i] = finishes[i].time_ms
            (<int64_t*>PyBytes_AS_STRING(durations))[i] = finishes[i].duration_ns
            (<int32_t*>PyBytes_AS_STRING(flags))[i] = finishes[i].flags
        for i in range(self.ended.n):
            (<int64_t*>PyBytes_AS_STRING(ended_keys))[i] = self.ended.items[i].key
            (<int64_t*>PyBytes_AS_STRING(codes))[i] = self.ended.items[i].code
        for i in range(self.in_flight.n):
            (<int64_t*>PyBytes_AS_STRING(keys))[i] = self.in_flight.items[i].key
            (<int64_t*>PyBytes_AS_STRING(starts))[i] = self.in_flight.items[i].started_ms
        by_type = []
        for task_type, same_type in self.by_type.items():
            runs = same_type
            by_type.append((task_type, runs.column()))
        return AgentColumns(
            self.newest_ms,
            self.appended_ms,
            self.forgotten_finish_ms,
            self.published_count,
            self.due_minute,
            self.prune_at,
            times=times,
            durations=durations,
            flags=flags,
            late_times=int64_bytes(self.late_times.items, self.late_times.n),
            ended_keys=ended_keys,
            ended_codes=codes,
            flight_keys=keys,
            flight_times=starts,
            overall=self.overall.column(),
            by_type=by_type,
        )

    @classmethod
    def restored(cls, columns):
        cdef Agent agent = Agent(columns.newest_ms, columns.appended_ms)
        agent.forgotten_finish_ms = columns.forgotten_finish_ms
        agent.published_count, agent.due_minute = columns.published_count, columns.due_minute
        agent.prune_at = columns.prune_at
        read_window(
            &agent.window, columns.times, columns.durations, columns.flags,
            TIMES_END_MS, DURATIONS_END_NS,
        )
        agent.read_late_times(columns.late_times)
        read_ended(&agent.ended, columns.ended_keys, columns.ended_codes, TIMES_END_MS)
        read_in_flight(
            &agent.in_flight, columns.flight_keys, columns.flight_times, TIMES_END_MS, FLIGHT_MS
        )
        agent.overall = runs_of(columns.overall)
        agent.by_type = {intern(name): runs_of(runs) for name, runs in columns.by_type}
        return agent

    cdef int read_late_times(self, bytes times) except -1:
        read_int64s(&self.late_times, times)
        check_within(self.late_times.items, self.late_times.n, TIMES_END_MS)
        check_ascending(self.late_times.items, self.late_times.n, False)
        return 0


cdef int64_t key_of(str task_id) except -1:
    cdef Py_ssize_t n
    cdef const char* text = PyUnicode_AsUTF8AndSize(task_id, &n)
    return task_key(text, n)
