"""The records of a partition as C structs, for use by other compiled modules."""

cimport cython
from libc.stdint cimport int32_t, int64_t


cdef struct Record:
    int64_t offset, timestamp_ms
    const char* key  # NULL if the record has none; so is the value
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
    cdef list _owners  # the objects that own the bytes
    cdef dict _headers  # by the index of the record

    cdef Record* add(self) except NULL
    cdef int owned_by(self, object owner) except -1
    cdef int put_headers(self, tuple headers) except -1
    cdef object object_at(self, Py_ssize_t at)
    cdef int _reserve(self, Py_ssize_t room) except -1
    cdef int _append(self, PackedRecords other) except -1
