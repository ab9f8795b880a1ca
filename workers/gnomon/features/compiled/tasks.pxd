# cython: language_level=3, cdivision=True
"""``tasks.py`` in C: one agent's tasks that are in flight or have ended.

The functions are inlined into ``memory``. Each does what its namesake in ``tasks.py`` does.
"""

from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memmove

from gnomon.features.compiled.arrays cimport (
    Int64Array, drop_until, grown, insert_sorted, remove_sorted, uint128,
)

cdef enum:
    PRUNE_IN_FLIGHT_AT = 16


cdef extern from *:
    """
    #define GNOMON_PRIME 9223372036854775783ULL
    #define GNOMON_LOW_63 9223372036854775807ULL
    """
    const uint64_t PRIME "GNOMON_PRIME"  # 2**63 - 25
    const uint64_t LOW_63 "GNOMON_LOW_63"


cdef struct EndedTask:
    int64_t key
    int64_t code  # end time in ms << 1 | finished


cdef struct EndedTasks:
    EndedTask* items  # by key
    Py_ssize_t n, capacity


cdef struct TaskInFlight:
    int64_t key
    int64_t started_ms


cdef struct TasksInFlight:
    TaskInFlight* items  # by key
    Py_ssize_t n, capacity
    Int64Array times  # the start times, ascending


cdef inline int64_t task_key(const char* task_id, Py_ssize_t n) noexcept:
    """``tasks.task_key``: the id's bytes behind a 1, as one number modulo 2**63 - 25.

    It takes eight bytes at a time from the top; 2**64 is 50 modulo the prime.
    """
    cdef const unsigned char* text = <const unsigned char*>task_id
    cdef Py_ssize_t at = n & ~<Py_ssize_t>7, i
    cdef uint64_t key, word = 1
    cdef uint128 sum
    for i in range(n - 1, at - 1, -1):
        word = word << 8 | text[i]
    key = word % PRIME
    while at:
        at -= 8
        memcpy(&word, text + at, 8)
        sum = <uint128>key * 50 + word
        sum = (sum >> 63) * 25 + (sum & LOW_63)
        sum = (sum >> 63) * 25 + (sum & LOW_63)
        key = <uint64_t>sum
        if key >= PRIME:
            key -= PRIME
    return <int64_t>key


# Ended tasks


cdef inline Py_ssize_t ended_index(const EndedTasks* ended, int64_t key) noexcept:
    """The index of the task, or where it would be inserted."""
    cdef Py_ssize_t low = 0, high = ended.n, mid
    while low < high:
        mid = (low + high) >> 1
        if ended.items[mid].key < key:
            low = mid + 1
        else:
            high = mid
    return low


cdef inline bint has_ended(const EndedTasks* ended, Py_ssize_t at, int64_t key) noexcept:
    """Whether the task is at the index ``at``."""
    return at < ended.n and ended.items[at].key == key


cdef inline bint ended_after(const EndedTasks* ended, int64_t key, int64_t after_ms) noexcept:
    """``EndedTasks.contains``."""
    cdef Py_ssize_t at = ended_index(ended, key)
    return has_ended(ended, at, key) and ended.items[at].code >> 1 > after_ms


cdef inline int insert_ended(EndedTasks* ended, Py_ssize_t at, EndedTask task) except -1:
    ended.items = <EndedTask*>grown(ended.items, ended.n, &ended.capacity, sizeof(EndedTask))
    memmove(ended.items + at + 1, ended.items + at, (ended.n - at) * sizeof(EndedTask))
    ended.items[at] = task
    ended.n += 1
    return 0


cdef inline bint end_finished(
    EndedTasks* ended, int64_t key, int64_t time_ms, int64_t after_ms
) except -1:
    """``EndedTasks.finish``."""
    cdef Py_ssize_t at = ended_index(ended, key)
    cdef int64_t code
    if has_ended(ended, at, key):
        code = ended.items[at].code
        if code & 1 and code >> 1 > after_ms:
            return False
        if time_ms > after_ms:
            ended.items[at].code = time_ms << 1 | 1
    elif time_ms > after_ms:
        insert_ended(ended, at, EndedTask(key, time_ms << 1 | 1))
    return True


cdef inline int end_cancelled(
    EndedTasks* ended, int64_t key, int64_t time_ms, int64_t after_ms
) except -1:
    """``EndedTasks.cancel``."""
    cdef Py_ssize_t at = ended_index(ended, key)
    if time_ms <= after_ms:
        return 0
    if not has_ended(ended, at, key):
        insert_ended(ended, at, EndedTask(key, time_ms << 1))
    elif ended.items[at].code >> 1 <= after_ms:
        ended.items[at].code = time_ms << 1
    return 0


cdef inline void forget_ended(EndedTasks* ended, int64_t until_ms) noexcept:
    """``EndedTasks.forget``."""
    cdef Py_ssize_t kept = 0, i
    for i in range(ended.n):
        if ended.items[i].code >> 1 > until_ms:
            ended.items[kept] = ended.items[i]
            kept += 1
    ended.n = kept


# Tasks in flight


cdef inline void free_in_flight(TasksInFlight* tasks) noexcept:
    free(tasks.items)
    free(tasks.times.items)


cdef inline Py_ssize_t in_flight_index(const TasksInFlight* tasks, int64_t key) noexcept:
    """The index of the task, or where it would be inserted."""
    cdef Py_ssize_t low = 0, high = tasks.n, mid
    while low < high:
        mid = (low + high) >> 1
        if tasks.items[mid].key < key:
            low = mid + 1
        else:
            high = mid
    return low


cdef inline bint is_in_flight(const TasksInFlight* tasks, Py_ssize_t at, int64_t key) noexcept:
    """Whether the task is at the index ``at``."""
    return at < tasks.n and tasks.items[at].key == key


cdef inline bint in_flight_after(const TasksInFlight* tasks, int64_t key, int64_t after_ms) noexcept:
    """``TasksInFlight.contains``."""
    cdef Py_ssize_t at = in_flight_index(tasks, key)
    return is_in_flight(tasks, at, key) and tasks.items[at].started_ms > after_ms


cdef inline int add_in_flight(
    TasksInFlight* tasks, int64_t key, int64_t started_ms, int64_t after_ms
) except -1:
    """``TasksInFlight.add``."""
    cdef Int64Array* times = &tasks.times
    cdef Py_ssize_t at, i, kept = 0
    if times.n >= PRUNE_IN_FLIGHT_AT and times.items[times.n >> 1] <= after_ms:
        for i in range(tasks.n):
            if tasks.items[i].started_ms > after_ms:
                tasks.items[kept] = tasks.items[i]
                kept += 1
        tasks.n = kept
        drop_until(times, after_ms)
    remove_in_flight(tasks, key)
    tasks.items = <TaskInFlight*>grown(tasks.items, tasks.n, &tasks.capacity, sizeof(TaskInFlight))
    insert_sorted(times, started_ms)
    at = in_flight_index(tasks, key)
    memmove(tasks.items + at + 1, tasks.items + at, (tasks.n - at) * sizeof(TaskInFlight))
    tasks.items[at] = TaskInFlight(key, started_ms)
    tasks.n += 1
    return 0


cdef inline void remove_in_flight(TasksInFlight* tasks, int64_t key) noexcept:
    """``TasksInFlight.remove``."""
    cdef Py_ssize_t at = in_flight_index(tasks, key)
    if is_in_flight(tasks, at, key):
        remove_sorted(&tasks.times, tasks.items[at].started_ms)
        tasks.n -= 1
        memmove(tasks.items + at, tasks.items + at + 1, (tasks.n - at) * sizeof(TaskInFlight))
