# cython: language_level=3
"""Rows to write, whose keys and values lie one behind the other in one buffer."""

from cpython.bytes cimport PyBytes_FromStringAndSize
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

    cdef int begin(self, const char* key, Py_ssize_t n) except -1:
        """Begin a row with this key; everything appended to ``text`` from now on is its value."""
        cdef void* moved
        if self.n == self._room:
            moved = realloc(self.items, max(2 * self._room, <Py_ssize_t>256) * sizeof(Row))
            if moved == NULL:
                raise MemoryError
            self.items = <Row*>moved
            self._room = max(2 * self._room, <Py_ssize_t>256)
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
