"""Writing JSON, for use by other compiled modules."""

from libc.stdint cimport int64_t
from libc.string cimport memcpy, strlen

from gnomon.features.compiled.names cimport Slice
from gnomon.compiled.packed_rows cimport Text

cdef enum:
    # Room that is left behind each string, for the numbers and keys up to the next string.
    SPARE = 4096


cdef inline void put(Text* text, const char* literal) noexcept:
    """Append a literal; there must be room for it."""
    cdef size_t n = strlen(literal)
    memcpy(text.at + text.n, literal, n)
    text.n += n


cdef int put_string(Text* text, const Slice* value) except -1
cdef int put_any(Text* text, object value) except -1
cdef void put_whole(Text* text, int64_t value) noexcept
cdef void put_double(Text* text, double value) noexcept
