# cython: language_level=3
"""Record batches of magic 2 that are not compressed, written in C.

``transactions.produce_requests.RecordBatch`` defines what the class here does; aiokafka's own class
defines the bytes. Layout: https://kafka.apache.org/documentation/#recordbatch.
"""

cimport cython
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_Resize
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int16_t, int32_t, int64_t
from libc.string cimport memcpy

from gnomon.compiled.packed_rows cimport PackedRows, Row
from gnomon.runtime.kafka.compiled.wire cimport (
    AFTER_LENGTH, ATTRIBUTES_AT, CRC_AT, Data, HEADER, MAGIC, OVERHEAD, TRANSACTIONAL, data_of,
    gnomon_crc32c, gnomon_has_crc, put16, put32, put64, put_data, put_varint, varint_size,
)

from time import time

if not gnomon_has_crc():
    raise ImportError("this processor has no instruction for CRC-32C")


@cython.final
cdef class RecordBatch:
    """``produce_requests.RecordBatch``. All records of one call are of one time."""

    cdef readonly Py_ssize_t count
    cdef Py_ssize_t _most, _n
    cdef bytearray _data
    cdef int64_t _first_ms, _last_ms

    def __cinit__(self, Py_ssize_t most):
        self._most, self._n, self.count = most, HEADER, 0
        self._data = bytearray(HEADER)

    @property
    def size_bytes(self):
        return self._n

    def fill(self, rows, Py_ssize_t start):
        cdef int64_t now_ms = <int64_t>(<double>time() * 1000)
        if type(rows) is PackedRows:
            return self._fill_packed(rows, start, now_ms)
        return self._fill(rows, start, now_ms)

    cdef Py_ssize_t _fill(self, list rows, Py_ssize_t start, int64_t now_ms) except -1:
        cdef Py_ssize_t at, needed = self._n, n = len(rows)
        cdef tuple row
        for at in range(start, n):
            row = rows[at]
            needed += OVERHEAD + max(data_of(row[0]).n, 0) + max(data_of(row[1]).n, 0)
            if needed >= self._most:
                break  # the first of all may be larger, and makes room for itself
        self._reserve(min(needed, self._most))
        for at in range(start, n):
            row = rows[at]
            if not self._add(data_of(row[0]), data_of(row[1]), (), now_ms):
                return at
        return n

    cdef Py_ssize_t _fill_packed(
        self, PackedRows rows, Py_ssize_t start, int64_t now_ms
    ) except -1:
        cdef Py_ssize_t at, n = rows.n
        cdef const char* text = rows.text.at
        cdef const Row* row
        if start < n:
            at = self._n + rows.text.n - rows.items[start].at + OVERHEAD * (n - start)
            self._reserve(min(at, self._most))
        for at in range(start, n):
            row = &rows.items[at]
            if not self._add(
                Data(text + row.at, row.key_n),
                Data(text + row.at + row.key_n, row.value_n),
                (),
                now_ms,
            ):
                return at
        return n

    def take(self, key, value, headers):
        return self._add(
            data_of(key), data_of(value), tuple(headers), <int64_t>(<double>time() * 1000)
        )

    def build(self, int64_t producer_id, int16_t epoch, int32_t sequence):
        cdef char* at
        PyByteArray_Resize(self._data, self._n)
        at = PyByteArray_AS_STRING(self._data)
        at = put64(at, 0)  # the broker's to say
        at = put32(at, <int32_t>(self._n - AFTER_LENGTH))
        at = put32(at, -1)
        at[0] = MAGIC
        at = put16(at + 5, TRANSACTIONAL)
        at = put32(at, <int32_t>max(self.count - 1, 0))
        at = put64(at, self._first_ms)
        at = put64(at, self._last_ms)
        at = put64(at, producer_id)
        at = put16(at, epoch)
        at = put32(at, sequence)
        put32(at, <int32_t>self.count)
        at = PyByteArray_AS_STRING(self._data)
        put32(at + CRC_AT, <int32_t>gnomon_crc32c(at + ATTRIBUTES_AT, self._n - ATTRIBUTES_AT))
        return self._data

    cdef int _reserve(self, Py_ssize_t n) except -1:
        if len(self._data) < n:
            PyByteArray_Resize(self._data, n)
        return 0

    cdef bint _add(self, Data key, Data value, tuple headers, int64_t now_ms) except -1:
        cdef Py_ssize_t body, needed
        cdef int64_t after_ms = now_ms - self._first_ms if self.count else 0
        cdef bytes said = headers_bytes(headers) if headers else b"\0"
        cdef char* at
        body = 1 + varint_size(after_ms) + varint_size(self.count) + PyBytes_GET_SIZE(said)
        body += varint_size(key.n) + max(key.n, 0) + varint_size(value.n) + max(value.n, 0)
        needed = self._n + varint_size(body) + body
        if needed >= self._most and self.count:
            return False
        self._reserve(needed)
        if not self.count:
            self._first_ms = self._last_ms = now_ms
        self._last_ms = max(self._last_ms, now_ms)
        at = put_varint(PyByteArray_AS_STRING(self._data) + self._n, body)
        at[0] = 0
        at = put_varint(put_varint(at + 1, after_ms), self.count)
        at = put_data(put_data(at, key), value)
        memcpy(at, PyBytes_AS_STRING(said), PyBytes_GET_SIZE(said))
        self._n = needed
        self.count += 1
        return True


cdef bytes headers_bytes(tuple headers):
    cdef char number[10]
    written = [PyBytes_FromStringAndSize(number, put_varint(number, len(headers)) - number)]
    for name, value in headers:
        for data in (name.encode(), value):
            n = put_varint(number, data_of(data).n) - number
            written += (PyBytes_FromStringAndSize(number, n), data or b"")
    return b"".join(written)
