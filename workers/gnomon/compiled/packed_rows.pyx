# cython: language_level=3
"""Rows to write, whose keys and values lie one behind the other in one buffer."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int32_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy


cdef enum:
    SPARE_BYTES = 8 << 20

cdef Text _spare = Text(NULL, 0, 0)  # the last rows' buffer is reused: new memory costs page faults


cdef class PackedRows:
    def __cinit__(self):
        global _spare
        self.text = _spare
        _spare = Text(NULL, 0, 0)

    def __dealloc__(self):
        global _spare
        free(self.items)
        if _spare.room < self.text.room <= SPARE_BYTES:
            free(_spare.at)
            _spare = Text(self.text.at, 0, self.text.room)
        else:
            free(self.text.at)

    def __len__(self):
        return self.n

    def __getitem__(self, Py_ssize_t at):
        cdef const Row* row
        if at < 0:
            at += self.n
        if not 0 <= at < self.n:
            raise IndexError(f"there are {self.n} rows")
        row = &self.items[at]
        return (
            PyBytes_FromStringAndSize(self.text.at + row.at, row.key_n),
            PyBytes_FromStringAndSize(self.text.at + row.at + row.key_n, row.value_n),
        )

    def __eq__(self, other):
        return isinstance(other, (PackedRows, list)) and [*self] == [*other]

    def extend(self, rows):
        """Append rows: keys and values, neither of them ``None``."""
        cdef bytes key, value
        if type(rows) is PackedRows:
            self.append(rows)
            return
        for key, value in rows:
            if key is None or value is None:
                raise TypeError("a key and a value were expected")
            self.begin(PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key))
            reserve(&self.text, PyBytes_GET_SIZE(value))
            memcpy(self.text.at + self.text.n, PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))
            self.text.n += PyBytes_GET_SIZE(value)
            self.end()

    cdef int append(self, PackedRows other) except -1:
        cdef Py_ssize_t at, n = other.n, length = other.text.n
        self._reserve_items(n)
        reserve(&self.text, length)
        memcpy(self.text.at + self.text.n, other.text.at, length)
        for at in range(n):
            self.items[self.n + at] = other.items[at]
            self.items[self.n + at].at += self.text.n
        self.n += n
        self.text.n += length
        return 0

    cdef int _reserve_items(self, Py_ssize_t more) except -1:
        cdef void* moved
        cdef Py_ssize_t room = max(2 * self._room, self.n + more, <Py_ssize_t>256)
        if self.n + more <= self._room:
            return 0
        moved = realloc(self.items, room * sizeof(Row))
        if moved == NULL:
            raise MemoryError
        self.items, self._room = <Row*>moved, room
        return 0

    cdef int begin(self, const char* key, Py_ssize_t n) except -1:
        """Begin a row with this key; everything appended to ``text`` from now on is its value."""
        self._reserve_items(1)
        reserve(&self.text, n)
        memcpy(self.text.at + self.text.n, key, n)
        self.items[self.n] = Row(self.text.n, n, 0)
        self.text.n += n
        return 0

    cdef void end(self) noexcept:
        """End the row."""
        cdef Row* row = &self.items[self.n]
        row.value_n = <int32_t>(self.text.n - row.at - row.key_n)
        self.n += 1


cdef int reserve(Text* text, Py_ssize_t more) except -1:
    """Make room for ``more`` bytes."""
    cdef void* moved
    cdef Py_ssize_t room = 2 * (text.n + more)
    if text.n + more <= text.room:
        return 0
    moved = realloc(text.at, room)
    if moved == NULL:
        raise MemoryError
    text.at, text.room = <char*>moved, room
    return 0
