# cython: language_level=3
"""Rows in the binary format of PostgreSQL's ``COPY``, as the driver writes them, without an object for each value."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.stdint cimport int32_t, int64_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
"""Before the first row."""
TRAILER = b"\xff\xff"
"""After the last row."""

cdef struct Text:
    char* at
    Py_ssize_t n
    Py_ssize_t room


def packed_rows(const unsigned char[::1] kinds not None, rows):
    """Return rows, one behind the other.

    Args:
        kinds: The kind of each column: ``i`` int8, ``d`` float8, ``?`` bool, ``s`` text, ``b`` bytea.
        rows: A value for each column, or ``None``.

    Raises:
        OverflowError: An integer has more than 64 bits.
        TypeError: A value is of another kind than its column.
        ValueError: A row has more or fewer values than there are columns, or a text is not Unicode.
    """
    cdef Text text = Text(NULL, 0, 0)
    cdef Py_ssize_t columns = kinds.shape[0], column
    cdef tuple row
    try:
        for each in rows:
            row = each if type(each) is tuple else tuple(each)
            if len(row) != columns:
                raise ValueError(f"{columns} values were expected, not {len(row)}")
            reserve(&text, 2)
            put_16(&text, <uint16_t>columns)
            for column in range(columns):
                put_value(&text, kinds[column], row[column])
        return PyBytes_FromStringAndSize(text.at, text.n)
    finally:
        free(text.at)


cdef int put_value(Text* text, unsigned char kind, object value) except -1:
    """One value, with its length."""
    cdef double number
    cdef uint64_t bits
    cdef const char* at
    cdef Py_ssize_t n = 0
    reserve(text, 12)
    if value is None:
        put_32(text, 0xFFFFFFFF)
    elif kind == c"i":
        if type(value) is not int:
            raise TypeError(f"expected an int, got {type(value).__name__}")
        bits = <uint64_t><int64_t>value
        put_32(text, 8)
        put_64(text, bits)
    elif kind == c"d":
        number = value
        memcpy(&bits, &number, 8)
        put_32(text, 8)
        put_64(text, bits)
    elif kind == c"?":
        if value is not True and value is not False:
            raise TypeError(f"expected a bool, got {type(value).__name__}")
        put_32(text, 1)
        text.at[text.n] = value is True
        text.n += 1
    elif kind == c"s":
        at = PyUnicode_AsUTF8AndSize(value, &n)
        put_raw(text, at, n)
    elif kind == c"b":
        if type(value) is not bytes:
            raise TypeError(f"expected bytes, got {type(value).__name__}")
        put_raw(text, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))
    else:
        raise ValueError(f"unknown kind {kind}")
    return 0


cdef int put_raw(Text* text, const char* at, Py_ssize_t n) except -1:
    if n > 0x7FFFFFFF:
        raise ValueError(f"{n} bytes do not fit in a column")
    reserve(text, n + 4)
    put_32(text, <uint32_t>n)
    memcpy(text.at + text.n, at, n)
    text.n += n
    return 0


cdef inline void put_16(Text* text, uint16_t value) noexcept:
    text.at[text.n] = <char>(value >> 8)
    text.at[text.n + 1] = <char>value
    text.n += 2


cdef inline void put_32(Text* text, uint32_t value) noexcept:
    put_16(text, <uint16_t>(value >> 16))
    put_16(text, <uint16_t>value)


cdef inline void put_64(Text* text, uint64_t value) noexcept:
    put_32(text, <uint32_t>(value >> 32))
    put_32(text, <uint32_t>value)


cdef int reserve(Text* text, Py_ssize_t more) except -1:
    """Make room for ``more`` bytes."""
    cdef void* moved
    cdef Py_ssize_t room
    if text.n + more <= text.room:
        return 0
    room = 2 * (text.n + more)
    moved = realloc(text.at, room)
    if moved == NULL:
        raise MemoryError
    text.at, text.room = <char*>moved, room
    return 0
