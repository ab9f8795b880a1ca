# cython: language_level=3
"""The parts of an agent's memory read back from the columns of a snapshot, with every bound checked.

Each function raises ValueError for columns that no agent can have written.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport realloc

from gnomon.features.compiled.arrays cimport check_ascending, check_within
from gnomon.features.compiled.tasks cimport (
    EndedTask, EndedTasks, TasksInFlight, add_in_flight, insert_ended,
)
from gnomon.features.compiled.window cimport Finish, Window


cdef inline int read_window(
    Window* window, bytes times, bytes durations, bytes flags,
    int64_t times_end_ms, int64_t durations_end_ns,
) except -1:
    cdef Py_ssize_t n = PyBytes_GET_SIZE(flags) // sizeof(int32_t), i
    cdef Py_ssize_t size = n * sizeof(int64_t)
    if (
        PyBytes_GET_SIZE(times) != size
        or PyBytes_GET_SIZE(durations) != size
        or PyBytes_GET_SIZE(flags) != n * <Py_ssize_t>sizeof(int32_t)
    ):
        raise ValueError("columns of a window of different lengths")
    if not n:
        return 0
    check_within(<const int64_t*>PyBytes_AS_STRING(times), n, times_end_ms)
    check_ascending(<const int64_t*>PyBytes_AS_STRING(times), n, False)
    check_within(<const int64_t*>PyBytes_AS_STRING(durations), n, durations_end_ns)
    for i in range(n):
        if (<const int32_t*>PyBytes_AS_STRING(flags))[i] < 0:
            raise ValueError("a column has a number outside its bounds")
    window.finishes = <Finish*>realloc(NULL, n * sizeof(Finish))
    if window.finishes == NULL:
        raise MemoryError
    window.n = window.capacity = n
    for i in range(n):
        window.finishes[i] = Finish(
            (<const int64_t*>PyBytes_AS_STRING(times))[i],
            (<const int64_t*>PyBytes_AS_STRING(durations))[i],
            (<const int32_t*>PyBytes_AS_STRING(flags))[i],
        )
    return 0


cdef inline int read_ended(
    EndedTasks* ended, bytes keys, bytes codes, int64_t times_end_ms
) except -1:
    cdef Py_ssize_t n = PyBytes_GET_SIZE(keys) // sizeof(int64_t), i
    if PyBytes_GET_SIZE(codes) != PyBytes_GET_SIZE(keys):
        raise ValueError("columns of ended tasks of different lengths")
    if PyBytes_GET_SIZE(keys) % <Py_ssize_t>sizeof(int64_t):
        raise ValueError("a column is no whole number of integers")
    check_ascending(<const int64_t*>PyBytes_AS_STRING(keys), n, True)
    check_within(<const int64_t*>PyBytes_AS_STRING(codes), n, 2 * times_end_ms)
    for i in range(n):
        insert_ended(
            ended,
            i,
            EndedTask(
                (<const int64_t*>PyBytes_AS_STRING(keys))[i],
                (<const int64_t*>PyBytes_AS_STRING(codes))[i],
            ),
        )
    return 0


cdef inline int read_in_flight(
    TasksInFlight* in_flight, bytes keys, bytes starts, int64_t times_end_ms, int64_t flight_ms
) except -1:
    cdef Py_ssize_t n = PyBytes_GET_SIZE(keys) // sizeof(int64_t), i
    if PyBytes_GET_SIZE(starts) != PyBytes_GET_SIZE(keys):
        raise ValueError("columns of tasks in flight of different lengths")
    if PyBytes_GET_SIZE(keys) % <Py_ssize_t>sizeof(int64_t):
        raise ValueError("a column is no whole number of integers")
    check_ascending(<const int64_t*>PyBytes_AS_STRING(keys), n, True)
    check_within(<const int64_t*>PyBytes_AS_STRING(starts), n, times_end_ms)
    for i in range(n):
        add_in_flight(
            in_flight,
            (<const int64_t*>PyBytes_AS_STRING(keys))[i],
            (<const int64_t*>PyBytes_AS_STRING(starts))[i],
            -flight_ms,
        )
    return 0
