"""What other compiled modules may do with an agent's memory in C."""

cimport cython
from libc.stdint cimport int32_t, int64_t


cdef extern from *:
    """
    typedef __int128 gnomon_int128;
    typedef unsigned __int128 gnomon_uint128;
    """
    ctypedef long long int128 "gnomon_int128"
    ctypedef unsigned long long uint128 "gnomon_uint128"


cdef enum:
    UNKNOWN = -1


cdef struct Finish:
    int64_t time_ms
    int64_t duration_ns
    int32_t mark


cdef struct End:
    int64_t key
    int64_t when  # end time in ms << 1 | finished


cdef struct Flight:
    int64_t key
    int64_t started_ms


cdef struct Longs:
    int64_t* at
    Py_ssize_t n
    Py_ssize_t room


cdef struct Sums:
    int128 total_ns
    int64_t succeeded
    int64_t reviewed
    int64_t reviews
    int64_t deployed
    int64_t deployed_well


# Answers: not-a-number where Python's form has None.


cdef struct Hour:
    int64_t n
    double mean_s
    double success_rate
    double reviews
    double median_s
    double deployed_rate
    int64_t in_flight
    int64_t late


cdef struct Averages:
    int64_t n
    double mean_s
    double success_rate


cdef struct Known:
    Hour hour
    double since_finish_s
    Averages same
    Averages overall


@cython.final
@cython.no_gc
cdef class _Runs:
    """A ring of up to ``RUNS`` runs in order of arrival, and their sum.

    A single run is its own sum: of most task types an agent has done few, and there are many.
    """

    cdef int64_t sum
    cdef int64_t* runs
    cdef int32_t n
    cdef int32_t room

    cdef int add(self, int64_t run) except -1
    cdef int average(self, Averages* into) except -1
    cdef bytes written(self)


@cython.final
@cython.no_gc
cdef class Agent:
    """An ``AgentMemory``."""

    cdef public int64_t newest_ms, appended_ms, shown, due_minute
    cdef int64_t batch  # the last one that touched it
    cdef int64_t forgotten_finish_ms
    cdef Py_ssize_t ended_room_at  # ended tasks at which to drop what is forgotten
    # The window: finishes by finish time, those in [first, stop) summed.
    cdef Finish* finishes
    cdef Py_ssize_t n, room, first, stop
    cdef Sums sums
    cdef Longs ranked  # durations of [first, stop), ascending; kept while ``is_ranked``
    cdef bint is_ranked
    cdef Longs late
    # Ended tasks and tasks in flight, by key; and the start times in flight, ascending.
    cdef End* ended
    cdef Py_ssize_t ended_n, ended_room
    cdef Flight* flights
    cdef Py_ssize_t flights_n, flights_room
    cdef Longs flight_times
    cdef _Runs overall
    cdef dict by_type

    cdef bint begin_task(
        self,
        int64_t key,
        str task_type,
        int64_t t,
        int64_t appended_ms,
        int64_t kept_ms,
        Known* known,
    ) except -1
    cdef int finish_task(
        self,
        int64_t key,
        str task_type,
        int64_t time_ms,
        double duration_s,
        int32_t mark,
        int64_t appended_ms,
        int64_t kept_ms,
    ) except -1
    cdef int cancel_task(
        self, int64_t key, int64_t time_ms, int64_t appended_ms, int64_t kept_ms
    ) except -1
    cdef int hour(self, int64_t as_of_ms, Hour* hour, int64_t* last_ms) except -1
    cdef int64_t decay_ms(self, int64_t as_of_ms) except -2
    cdef int64_t advance(self, int64_t time_ms, int64_t appended_ms, int64_t kept_ms) noexcept
    cdef int64_t last_finish_ms(self, int64_t until_ms, int64_t kept_from_ms) noexcept
    cdef int64_t newest_between(self, int64_t until_ms) noexcept
    cdef int64_t late_between(self, int64_t after_ms, int64_t until_ms) noexcept
    cdef Py_ssize_t finishes_until(self, int64_t until_ms) noexcept
    cdef int add(self, Finish finish) except -1
    cdef int show(self, int64_t after_ms, int64_t until_ms) except -1
    cdef int enter(self, Py_ssize_t start, Py_ssize_t stop) except -1
    cdef void leave(self, Py_ssize_t start, Py_ssize_t stop) noexcept
    cdef void count(self, const Finish* finish, int64_t times) noexcept
    cdef int figures(self, Hour* hour) except -1
    cdef int128 median_ns2(self, Py_ssize_t n) except -1
    cdef int forget(self, int64_t kept_from_ms) except -1
    cdef Py_ssize_t ended_at(self, int64_t key) noexcept
    cdef bint has_ended(self, Py_ssize_t at, int64_t key) noexcept
    cdef bint end_finished(self, int64_t key, int64_t time_ms, int64_t after_ms) except -1
    cdef int end_cancelled(self, int64_t key, int64_t time_ms, int64_t after_ms) except -1
    cdef int end_at(self, Py_ssize_t at, End end) except -1
    cdef Py_ssize_t flight_at(self, int64_t key) noexcept
    cdef bint flies(self, Py_ssize_t at, int64_t key) noexcept
    cdef int fly(self, int64_t key, int64_t started_ms, int64_t after_ms) except -1
    cdef void land(self, int64_t key) noexcept
    cdef int64_t flights_between(self, int64_t after_ms, int64_t until_ms) noexcept
    cdef int remember(self, str task_type, int64_t run) except -1
    cdef int read_late(self, bytes times) except -1
    cdef int read_window(self, bytes times, bytes durations, bytes marks) except -1
    cdef int read_ended(self, bytes keys, bytes whens) except -1
    cdef int read_flights(self, bytes keys, bytes starts) except -1


cdef int64_t task_key(const char* task_id, Py_ssize_t n) noexcept
cdef int32_t mark_of(bint succeeded, int64_t reviews, int deployed) noexcept
