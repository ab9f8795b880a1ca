# cython: language_level=3
"""One agent's memory in C: what ``agent.py`` defines, in arrays of structs.

Every function does what its namesake in ``agent.py`` does; the reasons are given there. Sums are
whole nanoseconds in 128 bits and each mean is one division of exact numbers, so both give the same
features to the last bit. When memory runs out, MemoryError ends the process.
"""

from libc.math cimport NAN
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free

from gnomon.features.compiled.arrays cimport (
    count_between, count_until, drop_until, insert_sorted, last_until,
)
from gnomon.features.compiled.history cimport RUN_SHIFT, Runs, RunsSummary
from gnomon.features.compiled.tasks cimport (
    add_in_flight, end_cancelled, end_finished, ended_after, forget_ended, free_in_flight,
    in_flight_after, remove_in_flight,
)
from gnomon.features.compiled.window cimport (
    SUCCEEDED, Finish, add_finish, finishes_until, forget_finishes, free_window, select,
    window_features,
)

from sys import intern

from gnomon.features.config import FLIGHT_MS as _FLIGHT_MS, HOUR_MS as _HOUR_MS
from gnomon.features.memory.history import MAX_TYPES as _MAX_TYPES

cdef int64_t FLIGHT_MS = _FLIGHT_MS
cdef int64_t HOUR_MS = _HOUR_MS
cdef int64_t FLIGHT_LONGER_MS = _FLIGHT_MS - _HOUR_MS
cdef Py_ssize_t MAX_TYPES = _MAX_TYPES
cdef enum:
    PRUNE_AT = 24


cdef class Memory:
    def __init__(self, int64_t newest_ms, int64_t appended_ms):
        self.newest_ms = newest_ms
        self.appended_ms = appended_ms
        self.due_minute = self.forgotten_finish_ms = -1
        self.prune_at = PRUNE_AT
        self.overall = Runs()
        self.by_type = {}

    def __dealloc__(self):
        free_window(&self.window)
        free(self.late_times.items)
        free(self.ended.items)
        free_in_flight(&self.in_flight)

    # Events

    cdef bint start_task(
        self,
        int64_t key,
        str task_type,
        int64_t t,
        int64_t appended_ms,
        int64_t retention_ms,
        StartFeatures* into,
    ) except -1:
        """``start``; False if the start is a repeat."""
        cdef int64_t retained_from_ms = self.advance(t, appended_ms, retention_ms)
        cdef int64_t in_flight_from_ms = retained_from_ms - FLIGHT_LONGER_MS
        cdef int64_t after_ms, last_ms
        cdef FeatureVector* vector = &into.vector
        cdef RunsSummary summary
        cdef Runs same_type
        if in_flight_after(&self.in_flight, key, in_flight_from_ms):
            return False
        if ended_after(&self.ended, key, retained_from_ms):
            return False
        after_ms = max(t - HOUR_MS, retained_from_ms)
        select(&self.window, after_ms, t)
        window_features(
            &self.window,
            count_between(&self.in_flight.times, after_ms - FLIGHT_LONGER_MS, t),
            &vector.hour,
        )
        last_ms = self.last_finish_ms(t, retained_from_ms)
        vector.seconds_since_last_finish = NAN if last_ms < 0 else <double>(t - last_ms) / 1000.0
        same_type = self.by_type.get(task_type)
        summary = RunsSummary(0, NAN, NAN)
        if same_type is not None:
            same_type.summarise(&summary)
        vector.same_type_runs = summary.n
        vector.same_type_avg_execution_time = summary.mean_s
        vector.same_type_success_rate = summary.success_rate
        self.overall.summarise(&summary)
        vector.agent_runs = summary.n
        vector.agent_avg_execution_time = summary.mean_s
        vector.agent_success_rate = summary.success_rate
        into.late_dropped = count_between(&self.late_times, after_ms, t)
        add_in_flight(&self.in_flight, key, t, in_flight_from_ms)
        return True

    cdef int finish_task(
        self,
        int64_t key,
        str task_type,
        int64_t time_ms,
        double duration_s,
        int32_t flags,
        int64_t appended_ms,
        int64_t retention_ms,
    ) except -1:
        """``finish``."""
        cdef int64_t duration_ns = <int64_t>(duration_s * 1e9 + 0.5)
        cdef int64_t retained_from_ms = self.advance(time_ms, appended_ms, retention_ms)
        if not end_finished(&self.ended, key, time_ms, retained_from_ms):
            return 0
        remove_in_flight(&self.in_flight, key)
        self.add_run(task_type, duration_ns << RUN_SHIFT | (flags & SUCCEEDED))
        if time_ms >= retained_from_ms + HOUR_MS:
            add_finish(&self.window, Finish(time_ms, duration_ns, flags))
        elif time_ms > retained_from_ms:
            insert_sorted(&self.late_times, time_ms)
        elif time_ms > self.forgotten_finish_ms:
            self.forgotten_finish_ms = time_ms
        if self.ended.n >= self.prune_at:
            self.forget(retained_from_ms)
        return 0

    cdef int cancel_task(
        self, int64_t key, int64_t time_ms, int64_t appended_ms, int64_t retention_ms
    ) except -1:
        """``cancel``."""
        cdef int64_t retained_from_ms = self.advance(time_ms, appended_ms, retention_ms)
        remove_in_flight(&self.in_flight, key)
        end_cancelled(&self.ended, key, time_ms, retained_from_ms)
        if self.ended.n >= self.prune_at:
            self.forget(retained_from_ms)
        return 0

    # Questions

    cdef int current_features(self, int64_t as_of_ms, CurrentFeatures* into) except -1:
        """``current``."""
        select(&self.window, as_of_ms - HOUR_MS, as_of_ms)
        window_features(
            &self.window,
            count_between(&self.in_flight.times, as_of_ms - FLIGHT_MS, as_of_ms),
            &into.hour,
        )
        into.last_finished_at_ms = self.last_finish_ms(as_of_ms, -1)
        into.late_dropped = count_between(&self.late_times, as_of_ms - HOUR_MS, as_of_ms)
        return 0

    cdef int64_t count_current(self, int64_t as_of_ms) except -1:
        """``current_count``."""
        select(&self.window, as_of_ms - HOUR_MS, as_of_ms)
        return (
            self.window.stop
            - self.window.first
            + count_between(&self.in_flight.times, as_of_ms - FLIGHT_MS, as_of_ms)
        )

    cdef int64_t decay_ms(self, int64_t as_of_ms) except -2:
        """``decays_at_ms``."""
        cdef const Int64Array* times = &self.in_flight.times
        cdef Py_ssize_t oldest = count_until(times.items, times.n, as_of_ms - FLIGHT_MS)
        cdef int64_t decays_ms = -1
        select(&self.window, as_of_ms - HOUR_MS, as_of_ms)
        if self.window.stop > self.window.first:
            decays_ms = self.window.finishes[self.window.first].time_ms + HOUR_MS
        if oldest < times.n and (decays_ms < 0 or times.items[oldest] + FLIGHT_MS < decays_ms):
            decays_ms = times.items[oldest] + FLIGHT_MS
        return decays_ms

    cdef int64_t advance(self, int64_t time_ms, int64_t appended_ms, int64_t retention_ms) noexcept:
        self.appended_ms = appended_ms
        if time_ms > self.newest_ms:
            self.newest_ms = time_ms
        return self.newest_ms - retention_ms

    cdef int64_t last_finish_ms(self, int64_t until_ms, int64_t retained_from_ms) noexcept:
        """-1 where there is none."""
        cdef int64_t last = self.newest_finish_ms(until_ms)
        if last <= retained_from_ms:
            last = max(self.forgotten_finish_ms, self.newest_finish_ms(retained_from_ms))
        return last if last <= until_ms else -1

    cdef int64_t newest_finish_ms(self, int64_t until_ms) noexcept:
        """The newest in the window, or late, at or before ``until_ms``; -1 if there is none."""
        cdef Py_ssize_t n = finishes_until(&self.window, until_ms)
        cdef int64_t last = self.window.finishes[n - 1].time_ms if n else -1
        if self.late_times.n:
            last = max(last, last_until(self.late_times.items, self.late_times.n, until_ms))
        return last

    # Changes

    cdef int add_run(self, str task_type, int64_t run) except -1:
        """``History.add``."""
        cdef Runs same_type = self.by_type.get(task_type)
        if same_type is None or len(self.by_type) >= MAX_TYPES:
            same_type = self.by_type.pop(task_type, None)
            if same_type is None:
                same_type = Runs()
                if len(self.by_type) >= MAX_TYPES:
                    del self.by_type[next(iter(self.by_type))]
            self.by_type[intern(task_type)] = same_type
        self.overall.add(run)
        same_type.add(run)
        return 0

    cdef int forget(self, int64_t retained_from_ms) except -1:
        """``_forget``."""
        cdef int64_t last = self.newest_finish_ms(retained_from_ms)
        forget_finishes(&self.window, retained_from_ms)
        self.forgotten_finish_ms = max(self.forgotten_finish_ms, last)
        drop_until(&self.late_times, retained_from_ms)
        forget_ended(&self.ended, retained_from_ms)
        self.prune_at = max(<Py_ssize_t>PRUNE_AT, self.ended.n * 3 // 2)
        return 0
