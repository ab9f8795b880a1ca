# cython: language_level=3
"""Hashes and JSON of sealed decisions, without an object for each field.

``gnomon.vault.tamper.lists`` defines the hashes, and ``gnomon.codec`` the JSON.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy

from gnomon.codec import encode
from gnomon.compiled.packed_rows cimport PackedRows, Text, reserve
from gnomon.vault.compiled.digest cimport Sha256

cdef enum:
    HEAD_BYTES = 24  # of what is hashed before the texts
    LONGEST_TEXT = 65_535
    ID_BYTES = 16
    HASH_BYTES = 32
    HOUR_MS = 3_600_000

cdef dict STATUS = {"matched": 1, "expired": 2, "cancelled": 3}
cdef object _encode = encode
cdef object UNKNOWN = object()
cdef int DIGITS[256]
"""The value of each hexadecimal digit, -1 of any other character."""
cdef uint16_t PAIRS[4096]
"""Two characters of base64 for each 12 bits, as they lie in memory."""

cdef extern from *:
    uint64_t __builtin_bswap64(uint64_t) noexcept

cdef struct Slice:
    const char* at
    Py_ssize_t n


def record_hashes(rows):
    """Return the hashes of ``rows``, joined; see ``gnomon.vault.tamper.lists.record_hashes``."""
    cdef tuple given = tuple(rows)  # nothing can change its length meanwhile
    cdef bytes joined = PyBytes_FromStringAndSize(NULL, HASH_BYTES * len(given))
    cdef char* at = PyBytes_AS_STRING(joined)
    cdef RowHash of_row = RowHash()
    for row in given:
        of_row.put(row, at)
        at += HASH_BYTES
    return joined


def same_hour(rows):
    """Return the hour of the ends of all ``rows``, or nothing if there are several hours or no rows."""
    cdef int64_t first = 0, hour, ended_at_ms
    cdef bint is_known = False
    for row in rows:
        try:
            ended_at_ms = row.ended_at_ms
        except OverflowError:
            return None
        hour = ended_at_ms // HOUR_MS
        if is_known and hour != first:
            return None
        first, is_known = hour, True
    return first if is_known else None


def hex_ids(rows):
    """Return the ids of ``rows`` as 16 bytes each, or nothing unless each is 32 small hexadecimal digits."""
    cdef bytes packed = PyBytes_FromStringAndSize(NULL, ID_BYTES * len(rows))
    cdef char* at = PyBytes_AS_STRING(packed)
    cdef Slice name
    cdef int high, low, digit
    for row in rows:
        name = text_of(row.decision_id)
        if name.n != 2 * ID_BYTES:
            return None
        for digit in range(0, 2 * ID_BYTES, 2):
            high, low = DIGITS[<unsigned char>name.at[digit]], DIGITS[<unsigned char>name.at[digit + 1]]
            if high < 0 or low < 0:
                return None
            at[0] = <char>(high << 4 | low)
            at += 1
    return packed


@cython.final
@cython.no_gc
cdef class RowHash:
    """Hashes rows.

    Nearly all rows of a batch have the same status, key and scope, so those of the last row are kept.
    """

    cdef Sha256 sha256
    cdef Text beside  # what is hashed before the ciphertext
    cdef object status, key_id, scope
    cdef char number
    cdef Slice key, of_scope

    def __cinit__(self):
        self.sha256 = Sha256()
        self.beside = Text(NULL, 0, 0)
        self.status = self.key_id = self.scope = UNKNOWN

    def __dealloc__(self):
        free(self.beside.at)

    cdef int put(self, row, char* hashed) except -1:
        """Write the hash of a row, 32 bytes."""
        cdef object decision_id = row.decision_id, status = row.status, key_id = row.key_id, scope = row.scope
        cdef bytes sealed = row.sealed
        cdef Slice name = text_of(decision_id)
        if status is not self.status or key_id is not self.key_id or scope is not self.scope:
            self.keep(status, key_id, scope)
        if name.n > LONGEST_TEXT or sealed is None:
            raise ValueError("no decision has such fields")
        cdef int64_t started_at_ms, ended_at_ms
        try:
            started_at_ms, ended_at_ms = row.started_at_ms, row.ended_at_ms
        except OverflowError as error:
            raise ValueError("no decision has such fields") from error
        cdef Py_ssize_t n = HEAD_BYTES + name.n + self.key.n + self.of_scope.n
        reserve(&self.beside, n)
        cdef char* at = self.beside.at
        at[0], at[1] = 1, self.number
        at = put_64(at + 2, <uint64_t>started_at_ms)
        at = put_64(at, <uint64_t>ended_at_ms)
        at = put_16(put_16(put_16(at, <uint16_t>name.n), <uint16_t>self.key.n), <uint16_t>self.of_scope.n)
        at = put(put(put(at, name), self.key), self.of_scope)
        return self.sha256.put(self.beside.at, n, PyBytes_AS_STRING(sealed), PyBytes_GET_SIZE(sealed), hashed)

    cdef int keep(self, status, key_id, scope) except -1:
        """Check these fields and keep them."""
        cdef object number = STATUS.get(status)
        cdef Slice key = text_of(key_id), of_scope = text_of(scope)
        if number is None or key.n > LONGEST_TEXT or of_scope.n > LONGEST_TEXT:
            raise ValueError("no decision has such fields")
        self.status, self.key_id, self.scope = status, key_id, scope
        self.number, self.key, self.of_scope = number, key, of_scope
        return 0


def published(rows):
    """Return the key and the value of the record of each of ``rows``: its id, and its JSON."""
    cdef PackedRows records = PackedRows()
    cdef Slice name
    for row in rows:
        name = text_of(row.decision_id)
        records.begin(name.at, name.n)
        put_json(&records.text, row)
        records.end()
    return records


cdef int put_json(Text* text, row) except -1:
    """Append the JSON of a row; msgspec writes it if a text needs escapes."""
    cdef Slice name = text_of(row.decision_id), key = text_of(row.key_id), scope = text_of(row.scope)
    cdef Slice status = text_of(row.status)
    cdef bytes sealed = row.sealed, encoded
    cdef char digits[40]
    cdef Slice started = whole(digits, row.started_at_ms), ended = whole(digits + 20, row.ended_at_ms)
    if sealed is None or not (is_plain(name) and is_plain(key) and is_plain(scope) and is_plain(status)):
        encoded = _encode(row)
        reserve(text, PyBytes_GET_SIZE(encoded))
        text.n = put(text.at + text.n, _slice(encoded)) - text.at
        return 0
    cdef Py_ssize_t sealed_n = PyBytes_GET_SIZE(sealed)
    reserve(
        text,
        NAMES_BYTES + name.n + key.n + 4 * ((sealed_n + 2) // 3) + status.n + started.n + ended.n + scope.n,
    )
    cdef char* at = text.at + text.n
    at = put(put(at, BEFORE_NAME), name)
    at = put(put(at, BEFORE_KEY), key)
    at = put_base64(put(at, BEFORE_SEALED), <const unsigned char*>PyBytes_AS_STRING(sealed), sealed_n)
    at = put(put(at, BEFORE_STATUS), status)
    at = put(put(at, BEFORE_STARTED), started)
    at = put(put(at, BEFORE_ENDED), ended)
    at = put(put(at, BEFORE_SCOPE), scope)
    text.n = put(at, AT_END) - text.at
    return 0


cdef Slice text_of(text) except *:
    """The UTF-8 of a text, which the text keeps."""
    cdef Slice found
    found.at = PyUnicode_AsUTF8AndSize(text, &found.n)
    return found


cdef Slice whole(char* room, int64_t value) noexcept:
    """The digits of an integer, at the end of 20 bytes of room."""
    cdef uint64_t size = <uint64_t>value if value >= 0 else 0 - <uint64_t>value
    cdef Py_ssize_t at = 20
    while True:
        at -= 1
        room[at] = <char>(c"0" + size % 10)
        size //= 10
        if not size:
            break
    if value < 0:
        at -= 1
        room[at] = c"-"
    return Slice(room + at, 20 - at)


cdef bint is_plain(Slice text) noexcept:
    """Whether JSON has the text as it is."""
    cdef Py_ssize_t i
    for i in range(text.n):
        if not 0x20 <= <unsigned char>text.at[i] < 0x7F or text.at[i] == c'"' or text.at[i] == c"\\":
            return False
    return True


cdef char* put(char* at, Slice text) noexcept:
    memcpy(at, text.at, text.n)
    return at + text.n


cdef char* put_16(char* at, uint16_t value) noexcept:
    at[0], at[1] = <char>(value >> 8), <char>value
    return at + 2


cdef char* put_64(char* at, uint64_t value) noexcept:
    value = __builtin_bswap64(value)
    memcpy(at, &value, 8)
    return at + 8


cdef char* put_base64(char* at, const unsigned char* given, Py_ssize_t n) noexcept:
    cdef Py_ssize_t i = 0
    cdef uint32_t three
    cdef uint64_t six
    while i + 8 <= n:  # six bytes at once, of eight that are read
        memcpy(&six, given + i, 8)
        six = __builtin_bswap64(six)
        six = (
            <uint64_t>PAIRS[six >> 52]
            | <uint64_t>PAIRS[six >> 40 & 0xFFF] << 16
            | <uint64_t>PAIRS[six >> 28 & 0xFFF] << 32
            | <uint64_t>PAIRS[six >> 16 & 0xFFF] << 48
        )
        memcpy(at, &six, 8)
        at += 8
        i += 6
    while i < n:
        three = <uint32_t>given[i] << 16
        if i + 1 < n:
            three |= <uint32_t>given[i + 1] << 8
        if i + 2 < n:
            three |= given[i + 2]
        memcpy(at, &PAIRS[three >> 12], 2)
        memcpy(at + 2, &PAIRS[three & 0xFFF], 2)
        if i + 2 >= n:
            at[3] = c"="
        if i + 1 >= n:
            at[2] = c"="
        at += 4
        i += 3
    return at


cdef int _compute_pairs() except -1:
    cdef bytes digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    cdef unsigned char first, second
    cdef int i
    for i in range(4096):
        first, second = digits[i >> 6], digits[i & 63]
        PAIRS[i] = first | <uint16_t>second << 8
    return 0


cdef Slice _slice(bytes text):
    return Slice(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))


cdef int _compute_digits() except -1:
    cdef int character
    for character in range(256):
        DIGITS[character] = b"0123456789abcdef".find(character)
    return 0


_compute_digits()
_compute_pairs()
cdef tuple NAMES = (
    b'{"kind":"sealed_decision.v1","decision_id":"',
    b'","key_id":"',
    b'","sealed":"',
    b'","status":"',
    b'","started_at_ms":',
    b',"ended_at_ms":',
    b',"scope":"',
    b'"}',
)
cdef Slice BEFORE_NAME = _slice(NAMES[0]), BEFORE_KEY = _slice(NAMES[1]), BEFORE_SEALED = _slice(NAMES[2])
cdef Slice BEFORE_STATUS = _slice(NAMES[3]), BEFORE_STARTED = _slice(NAMES[4])
cdef Slice BEFORE_ENDED = _slice(NAMES[5]), BEFORE_SCOPE = _slice(NAMES[6]), AT_END = _slice(NAMES[7])
cdef Py_ssize_t NAMES_BYTES = sum(map(len, NAMES))
