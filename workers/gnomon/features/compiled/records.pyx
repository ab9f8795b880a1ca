# cython: language_level=3
"""The records of a partition as pointers into the fetched batches."""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy


@cython.final
@cython.no_gc
@cython.freelist(4096)
cdef class FetchedRecord:
    """A ``SourceRecord``."""

    cdef readonly str topic
    cdef readonly int partition
    cdef readonly int64_t offset, timestamp
    cdef readonly object key, value, headers


cdef class PackedRecords:
    def __init__(self, str topic, int partition):
        self.topic, self.partition = topic, partition
        self._owners, self._headers = [], {}

    def __dealloc__(self):
        free(self.items)

    def __len__(self):
        return self.n

    def __getitem__(self, at):
        cdef Py_ssize_t index
        if isinstance(at, slice):
            return [self.object_at(index) for index in range(*at.indices(self.n))]
        index = at
        if index < 0:
            index += self.n
        if not 0 <= index < self.n:
            raise IndexError(f"there are {self.n} records")
        return self.object_at(index)

    def __iter__(self):
        return iter(self[:])

    def __iadd__(self, after):
        """Append ``after``; the result is packed if ``after`` is and has the same partition."""
        cdef PackedRecords other
        if type(after) is not PackedRecords:
            return [*self, *after]
        other = after
        if other.topic != self.topic or other.partition != self.partition:
            return [*self, *after]
        self._append(other)
        return self

    cdef Record* add(self) except NULL:
        """Append a record, which the caller fills."""
        if self.n == self._room:
            self._reserve(max(2 * self._room, <Py_ssize_t>256))
        self.n += 1
        return &self.items[self.n - 1]

    cdef int owned_by(self, object owner) except -1:
        """Keep ``owner`` alive, which owns the bytes of the records."""
        self._owners.append(owner)
        return 0

    cdef int put_headers(self, tuple headers) except -1:
        """Set the headers of the last record."""
        self._headers[self.n - 1] = headers
        return 0

    cdef object object_at(self, Py_ssize_t at):
        cdef const Record* item = &self.items[at]
        cdef FetchedRecord record = FetchedRecord.__new__(FetchedRecord)
        record.topic, record.partition = self.topic, self.partition
        record.offset, record.timestamp = item.offset, item.timestamp_ms
        record.key = bytes_or_none(item.key, item.key_n)
        record.value = bytes_or_none(item.value, item.value_n)
        record.headers = self._headers.get(at, ()) if self._headers else ()
        return record

    cdef int _reserve(self, Py_ssize_t room) except -1:
        cdef void* moved = realloc(self.items, room * sizeof(Record))
        if moved == NULL:
            raise MemoryError
        self.items, self._room = <Record*>moved, room
        return 0

    cdef int _append(self, PackedRecords other) except -1:
        if not other.n:
            return 0
        if self.n + other.n > self._room:
            self._reserve(2 * (self.n + other.n))
        memcpy(self.items + self.n, other.items, other.n * sizeof(Record))
        for at, headers in other._headers.items():
            self._headers[self.n + at] = headers
        self._owners += other._owners
        self.n += other.n
        return 0


cdef inline object bytes_or_none(const char* at, int32_t n):
    return None if at == NULL else PyBytes_FromStringAndSize(at, n)
