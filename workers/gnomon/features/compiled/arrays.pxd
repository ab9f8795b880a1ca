# cython: language_level=3, cdivision=True
"""Growing arrays of 64-bit integers, and exact division. All of it is inlined where it is used."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport realloc
from libc.string cimport memcpy, memmove


cdef extern from *:
    """
    typedef __int128 gnomon_int128;
    typedef unsigned __int128 gnomon_uint128;
    #define GNOMON_NS 1000000000LL
    /* Every integer below this one is exactly a double. */
    #define GNOMON_EXACT 9007199254740992LL
    """
    ctypedef long long int128 "gnomon_int128"
    ctypedef unsigned long long uint128 "gnomon_uint128"
    const int64_t NS "GNOMON_NS"
    const int64_t EXACT "GNOMON_EXACT"


cdef struct Int64Array:
    int64_t* items
    Py_ssize_t n
    Py_ssize_t capacity


cdef inline void* grown(
    void* items, Py_ssize_t n, Py_ssize_t* capacity, size_t item_bytes
) except NULL:
    """``items`` with room for one more. Small arrays grow by four, as there are many agents."""
    cdef Py_ssize_t wanted
    cdef void* moved
    if n < capacity[0]:
        return items
    wanted = n + 4 + (n >> 2 if n >= 32 else 0)
    moved = realloc(items, wanted * item_bytes)
    if moved == NULL:
        raise MemoryError
    capacity[0] = wanted
    return moved


cdef inline Py_ssize_t count_until(const int64_t* items, Py_ssize_t n, int64_t value) noexcept:
    """How many of the ascending ``items`` are at most ``value``."""
    cdef Py_ssize_t low = 0, high = n, mid
    while low < high:
        mid = (low + high) >> 1
        if items[mid] <= value:
            low = mid + 1
        else:
            high = mid
    return low


cdef inline Py_ssize_t count_below(const int64_t* items, Py_ssize_t n, int64_t value) noexcept:
    """How many of the ascending ``items`` are less than ``value``."""
    cdef Py_ssize_t low = 0, high = n, mid
    while low < high:
        mid = (low + high) >> 1
        if items[mid] < value:
            low = mid + 1
        else:
            high = mid
    return low


cdef inline int64_t count_between(
    const Int64Array* array, int64_t after, int64_t until
) noexcept:
    """How many of the ascending ``array`` are in ``(after, until]``."""
    cdef int64_t count
    if not array.n:
        return 0
    count = count_until(array.items, array.n, until) - count_until(array.items, array.n, after)
    return count if count > 0 else 0


cdef inline int64_t last_until(const int64_t* items, Py_ssize_t n, int64_t until) noexcept:
    """The last of the ascending ``items`` that is at most ``until``, else -1."""
    n = count_until(items, n, until)
    return items[n - 1] if n else -1


cdef inline int insert_sorted(Int64Array* array, int64_t value) except -1:
    """Insert ``value`` behind its equals."""
    array.items = <int64_t*>grown(array.items, array.n, &array.capacity, sizeof(int64_t))
    cdef Py_ssize_t at = count_until(array.items, array.n, value)
    memmove(array.items + at + 1, array.items + at, (array.n - at) * sizeof(int64_t))
    array.items[at] = value
    array.n += 1
    return 0


cdef inline void remove_sorted(Int64Array* array, int64_t value) noexcept:
    """Remove one ``value``, which must be there."""
    cdef Py_ssize_t at = count_below(array.items, array.n, value)
    array.n -= 1
    memmove(array.items + at, array.items + at + 1, (array.n - at) * sizeof(int64_t))


cdef inline void drop_until(Int64Array* array, int64_t until) noexcept:
    """Drop all items that are at most ``until``."""
    cdef Py_ssize_t count = count_until(array.items, array.n, until)
    if not count:
        return
    array.n -= count
    memmove(array.items, array.items + count, array.n * sizeof(int64_t))


cdef inline bytes int64_bytes(const int64_t* items, Py_ssize_t n):
    """The integers as a column of a snapshot."""
    return PyBytes_FromStringAndSize(<const char*>items, n * sizeof(int64_t))


cdef inline int read_int64s(Int64Array* array, bytes column) except -1:
    """Copy a column of a snapshot into a new array, which the caller frees."""
    cdef Py_ssize_t size = PyBytes_GET_SIZE(column)
    array.items, array.n, array.capacity = NULL, 0, 0
    if size % <Py_ssize_t>sizeof(int64_t):
        raise ValueError("a column is no whole number of integers")
    if size:
        array.items = <int64_t*>realloc(NULL, size)
        if array.items == NULL:
            raise MemoryError
        memcpy(array.items, PyBytes_AS_STRING(column), size)
        array.n = array.capacity = size // <Py_ssize_t>sizeof(int64_t)
    return 0


cdef inline int check_within(const int64_t* items, Py_ssize_t n, int64_t end) except -1:
    """``columns.check_within``."""
    cdef Py_ssize_t i
    for i in range(n):
        if not 0 <= items[i] < end:
            raise ValueError("a column has a number outside its bounds")
    return 0


cdef inline int check_ascending(const int64_t* items, Py_ssize_t n, bint strictly) except -1:
    """``columns.check_ascending``."""
    cdef Py_ssize_t i
    for i in range(n - 1):
        if items[i] > items[i + 1] or (strictly and items[i] == items[i + 1]):
            raise ValueError("a column is not in ascending order")
    return 0


cdef inline double ratio(int128 numerator, int128 denominator) except? -1.0:
    """The quotient of two numbers that are not negative, rounded once."""
    if numerator < EXACT and denominator < EXACT:
        return <double>numerator / <double>denominator
    return as_int(numerator) / as_int(denominator)


cdef inline object as_int(int128 number):
    """Python's integer of a number that is not negative."""
    return (<object><uint64_t>(number >> 64) << 64) + <uint64_t>number
