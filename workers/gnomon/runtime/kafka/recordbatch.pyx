# cython: language_level=3
"""Record batches of magic 2 that are not compressed, written and read in C.

``produce_requests.RecordBatch`` and ``fetched_records`` define what the classes here do; aiokafka's
own classes define the bytes. Layout: https://kafka.apache.org/documentation/#recordbatch.
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_Resize
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int16_t, int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

from gnomon.features.compiled.records cimport PackedRecords, Record
from gnomon.features.compiled.rows cimport PackedRows, Row
from gnomon.runtime.kafka.wire cimport (
    AFTER_LENGTH, APPEND_TIME, ATTRIBUTES_AT, CRC_AT, Data, HEADER, MAGIC, OVERHEAD, TRANSACTIONAL,
    data_of, get16, get32, get64, gnomon_crc32c, gnomon_has_crc, put16, put32, put64, put_data,
    put_varint, varint_size,
)

from time import time

from aiokafka.errors import CorruptRecordException

if not gnomon_has_crc():
    raise ImportError("this processor has no instruction for CRC-32C")


# Written ----------------------------------------------------------------------------------------


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


# Read -------------------------------------------------------------------------------------------


cdef struct Cursor:
    const char* at
    const char* end


cdef inline int64_t varint(Cursor* from_) except? -1:
    cdef uint64_t value = 0, byte
    cdef int shift = 0
    while from_.at < from_.end and shift < 64:
        byte = <unsigned char>from_.at[0]
        from_.at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return <int64_t>(value >> 1) ^ -<int64_t>(value & 1)
        shift += 7
    raise CorruptRecordException("a number has no end")


cdef inline int pass_data(Cursor* from_, const char** at, int32_t* size) except -1:
    """Pass a key or a value, and say where it is."""
    cdef int64_t n = varint(from_)
    if n > from_.end - from_.at:
        raise CorruptRecordException("a field is longer than its batch")
    at[0], size[0] = NULL, -1
    if n >= 0:
        at[0], size[0] = from_.at, <int32_t>n
        from_.at += n
    return 0


cdef tuple headers_of(Cursor* from_):
    cdef int64_t n = varint(from_), size
    cdef const char* data
    cdef int32_t data_n
    if not n:
        return ()
    if n < 0:
        raise CorruptRecordException(f"Found invalid number of record headers {n}")
    found = []
    while n:
        size = varint(from_)
        if size < 0 or size > from_.end - from_.at:
            raise CorruptRecordException(f"Invalid header key size {size}")
        try:
            name = PyUnicode_DecodeUTF8(from_.at, size, NULL)
        except UnicodeDecodeError as error:
            raise CorruptRecordException("a header's name is not UTF-8") from error
        from_.at += size
        pass_data(from_, &data, &data_n)
        found.append((name, None if data == NULL else data[:data_n]))
        n -= 1
    return tuple(found)


@cython.final
cdef class Reader:
    """The records of one batch from ``start`` on, as many at once as are asked for.

    Args:
        frame: The batch, whole. Magic 2, not compressed, no control batch.
    """

    cdef Py_buffer _frame
    cdef object _owner
    cdef bint _held, _begun
    cdef str _topic
    cdef int _partition, _left
    cdef Py_ssize_t _at
    cdef int64_t _start

    def __cinit__(self, frame, str topic, int partition, int64_t start):
        PyObject_GetBuffer(frame, &self._frame, PyBUF_SIMPLE)
        self._held = True
        self._owner = frame
        if self._frame.len < HEADER:
            raise CorruptRecordException("a batch is shorter than its header")
        self._topic, self._partition, self._start = topic, partition, start
        self._at, self._left = HEADER, get32(<char*>self._frame.buf + HEADER - 4)
        self._begun = get64(<char*>self._frame.buf) >= start

    def __dealloc__(self):
        if self._held:
            PyBuffer_Release(&self._frame)

    def take(self, Py_ssize_t most):
        """The next ``most``; fewer, if there are no more.

        Raises:
            CorruptRecordException: They are not as they are written.
        """
        cdef const char* head = <const char*>self._frame.buf
        cdef Cursor cursor = Cursor(head + self._at, head + self._frame.len)
        cdef int64_t base = get64(head), first_ms = get64(head + 27), last_ms = get64(head + 35)
        cdef bint appended = get16(head + ATTRIBUTES_AT) & APPEND_TIME != 0
        cdef PackedRecords found = PackedRecords(self._topic, self._partition)
        cdef Record record
        cdef tuple headers
        found.owned_by(self._owner)
        while found.n < most:
            if self._left <= 0:
                if cursor.at != cursor.end:
                    raise CorruptRecordException(
                        f"{cursor.end - cursor.at} unconsumed bytes after all records consumed"
                    )
                break
            headers = next_of(&cursor, &record, base, first_ms)
            if appended:
                record.timestamp_ms = last_ms
            self._left -= 1
            self._at = cursor.at - head
            if self._begun or record.offset >= self._start:
                self._begun = True
                found.add()[0] = record
                if headers:
                    found.put_headers(headers)
        return found


cdef tuple next_of(Cursor* cursor, Record* record, int64_t base, int64_t first_ms):
    """Read the next record; its headers."""
    cdef int64_t n = varint(cursor)
    cdef const char* begin = cursor.at
    cdef tuple headers
    varint(cursor)  # attributes, of which there are none
    # Sums wrap, as aiokafka's do: a batch that is damaged may hold any number.
    record.timestamp_ms = <int64_t>(<uint64_t>first_ms + <uint64_t>varint(cursor))
    record.offset = <int64_t>(<uint64_t>base + <uint64_t>varint(cursor))
    pass_data(cursor, &record.key, &record.key_n)
    pass_data(cursor, &record.value, &record.value_n)
    headers = headers_of(cursor)
    if cursor.at - begin != n:
        raise CorruptRecordException(f"Invalid record size: {n}")
    return headers


def intact(frame):
    """Whether a batch of magic 2 is as it was written."""
    cdef Py_buffer view
    PyObject_GetBuffer(frame, &view, PyBUF_SIMPLE)
    try:
        return view.len >= HEADER and <uint32_t>get32(<char*>view.buf + CRC_AT) == gnomon_crc32c(
            <char*>view.buf + ATTRIBUTES_AT, view.len - ATTRIBUTES_AT
        )
    finally:
        PyBuffer_Release(&view)
