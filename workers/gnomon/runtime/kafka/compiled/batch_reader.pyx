# cython: language_level=3
"""Record batches of magic 2 that are not compressed, read in C.

``fetched_records`` defines what the class here does; aiokafka's own class defines the bytes. Layout:
https://kafka.apache.org/documentation/#recordbatch.
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

from gnomon.features.compiled.records cimport PackedRecords, Record
from gnomon.runtime.kafka.compiled.wire cimport (
    APPEND_TIME, ATTRIBUTES_AT, CRC_AT, HEADER, get16, get32, get64, gnomon_crc32c, gnomon_has_crc,
)

from aiokafka.errors import CorruptRecordException

if not gnomon_has_crc():
    raise ImportError("this processor has no instruction for CRC-32C")


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
