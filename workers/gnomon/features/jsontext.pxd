"""A buffer that JSON is written into, and what can be written."""

from libc.stdint cimport int64_t
from libc.string cimport memcpy, strlen

cdef enum:
    # Room behind a string: the numbers and names up to the next one take less than half of it.
    SPARE = 2048


cdef struct Text:
    char* at
    Py_ssize_t n
    Py_ssize_t room


cdef inline void put(Text* text, const char* literal) noexcept:
    """A literal, for which there is room."""
    cdef size_t n = strlen(literal)
    memcpy(text.at + text.n, literal, n)
    text.n += n


cdef int reserve(Text* text, Py_ssize_t more) except -1
cdef int put_string(Text* text, str value) except -1
cdef int put_any(Text* text, object value) except -1
cdef void put_whole(Text* text, int64_t value) noexcept
cdef void put_double(Text* text, double value) noexcept
