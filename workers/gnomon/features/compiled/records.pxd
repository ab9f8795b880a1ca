"""Records as they were read."""

cimport cython
from libc.stdint cimport int32_t, int64_t


cdef struct Record:
    int64_t offset, timestamp_ms
    const char* key  # NULL where there is none; so it is with the value
    const char* value
    int32_t key_n, value_n


@cython.final
cdef class PackedRecords:
    """A sequence of ``SourceRecord`` of one partition."""

    cdef readonly str topic
    cdef readonly int partition
    cdef Record* items
    cdef Py_ssize_t n
    cdef Py_ssize_t _room
    cdef list _owners  # whose bytes they are
    cdef dict _headers  # by index, of those that have some

    cdef Record* add(self) except NULL
    cdef int owned_by(self, object owner) except -1
    cdef int put_headers(self, tuple headers) except -1
    cdef object object_at(self, Py_ssize_t at)
    cdef int _reserve(self, Py_ssize_t room) except -1
    cdef int _append(self, PackedRecords other) except -1
