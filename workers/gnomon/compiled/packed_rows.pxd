"""Rows to write and their buffer, for use by other compiled modules."""

cimport cython
from libc.stdint cimport int32_t


cdef struct Text:
    char* at
    Py_ssize_t n
    Py_ssize_t room


cdef struct Row:
    Py_ssize_t at  # offset of the key in the text; the value follows it
    int32_t key_n, value_n


@cython.final
@cython.no_gc
cdef class PackedRows:
    """A sequence of ``Keyed``; each row has a key and a value."""

    cdef Text text
    cdef Row* items
    cdef Py_ssize_t n
    cdef Py_ssize_t _room

    cdef int begin(self, const char* key, Py_ssize_t n) except -1
    cdef int append(self, PackedRows other) except -1
    cdef int _reserve_items(self, Py_ssize_t more) except -1
    cdef void end(self) noexcept


cdef int reserve(Text* text, Py_ssize_t more) except -1
