# cython: language_level=3
"""JSON as msgspec writes it, byte for byte, without an object for each number.

A double is written with the fewest digits that read back as the same double, and of such numbers
the closest one: Schubfach (R. Giulietti, "The Schubfach way to render doubles", 2020). Its table of
powers of ten is computed here, because nobody can verify 1,234 literal numbers by reading them.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.string cimport memcpy, memmove, memset

from gnomon.compiled.packed_rows cimport reserve

from gnomon import codec

cdef extern from *:
    """
    typedef unsigned __int128 gnomon_wide;
    """
    ctypedef unsigned long long wide "gnomon_wide"

cdef enum:
    LOWEST = -292
    HIGHEST = 324
    MANTISSA_BITS = 52
    # Doubles from 1e-5 to below 1e16 are written without an exponent.
    POINT_FROM = -4
    POINT_TO = 16

cdef uint64_t POWERS[HIGHEST - LOWEST + 1][2]
cdef object _encode = codec.encode


cdef int _compute_powers() except -1:
    """10**k as 128 bits whose highest is set, rounded up: high half, low half."""
    cdef int k
    for k in range(LOWEST, HIGHEST + 1):
        shift = 127 - (k * 1741647 >> 19)  # 127 less floor(log2(10**k))
        above, below = 10 ** max(<object>k, 0), 10 ** max(-<object>k, 0)
        power = -(-(above << max(shift, 0)) // (below << max(-shift, 0)))
        POWERS[k - LOWEST][0] = power >> 64
        POWERS[k - LOWEST][1] = power & 0xFFFFFFFFFFFFFFFF
    return 0


_compute_powers()


cdef int put_string(Text* text, const Slice* value) except -1:
    """A string in UTF-8, with ``SPARE`` bytes of room behind it; msgspec writes it if it needs escapes."""
    cdef const unsigned char* at = <const unsigned char*>value.at
    cdef Py_ssize_t n = value.n, i
    for i in range(n):
        if at[i] < 0x20 or at[i] == c'"' or at[i] == c"\\":
            return put_any(text, PyUnicode_DecodeUTF8(value.at, n, NULL))
    reserve(text, n + SPARE)
    text.at[text.n] = c'"'
    memcpy(text.at + text.n + 1, at, n)
    text.at[text.n + n + 1] = c'"'
    text.n += n + 2
    return 0


cdef int put_any(Text* text, object value) except -1:
    """Any value, as msgspec writes it, with ``SPARE`` bytes of room behind it."""
    cdef bytes written = _encode(value)
    cdef Py_ssize_t n = PyBytes_GET_SIZE(written)
    reserve(text, n + SPARE)
    memcpy(text.at + text.n, PyBytes_AS_STRING(written), n)
    text.n += n
    return 0


cdef Py_ssize_t put_digits(char* at, uint64_t value) noexcept:
    """Write the digits of ``value`` and return their number."""
    cdef char digits[20]
    cdef Py_ssize_t n = 0
    while True:
        digits[19 - n] = <char>(c"0" + value % 10)
        n += 1
        value //= 10
        if not value:
            break
    memcpy(at, digits + 20 - n, n)
    return n


cdef void put_whole(Text* text, int64_t value) noexcept:
    """An integer, at most 20 bytes."""
    cdef uint64_t size = <uint64_t>value
    if value < 0:
        text.at[text.n] = c"-"
        text.n += 1
        size = 0 - size
    text.n += put_digits(text.at + text.n, size)


cdef void put_double(Text* text, double value) noexcept:
    """A double, at most 25 bytes; ``null`` where JSON has no number."""
    cdef uint64_t bits, mantissa, digits
    cdef int32_t exponent, power
    memcpy(&bits, &value, 8)
    mantissa = bits & ((<uint64_t>1 << MANTISSA_BITS) - 1)
    exponent = <int32_t>(bits >> MANTISSA_BITS & 0x7FF)
    if exponent == 0x7FF:
        put(text, b"null")
        return
    if bits >> 63:
        put(text, b"-")
    if not exponent and not mantissa:
        put(text, b"0.0")
        return
    digits = shortest(mantissa, exponent, &power)
    put_decimal(text, digits, power)


cdef void put_decimal(Text* text, uint64_t digits, int32_t power) noexcept:
    """``digits * 10**power``; digits are not zero."""
    cdef char* at = text.at + text.n
    cdef int32_t n, point
    while digits % 10 == 0:
        digits //= 10
        power += 1
    n = <int32_t>put_digits(at, digits)
    point = n + power  # digits before the point
    if point > POINT_TO or point <= POINT_FROM - 1:
        if n > 1:
            memmove(at + 2, at + 1, n - 1)
            at[1] = c"."
            n += 1
        text.n += n
        put(text, b"e")
        put_whole(text, point - 1)
        return
    if power >= 0:
        memset(at + n, c"0", power)
        memcpy(at + point, b".0", 2)
        text.n += point + 2
    elif point > 0:
        memmove(at + point + 1, at + point, n - point)
        at[point] = c"."
        text.n += n + 1
    else:
        memmove(at + 2 - point, at, n)
        memset(at, c"0", 2 - point)
        at[1] = c"."
        text.n += n + 2 - point


cdef inline uint64_t scaled(const uint64_t* power, uint64_t value) noexcept:
    """The upper 64 of 192 bits of their product; odd if anything is below."""
    cdef wide low = <wide>power[1] * value
    cdef wide high = <wide>power[0] * value + <uint64_t>(low >> 64)
    return <uint64_t>(high >> 64) | (<uint64_t>high > 1)


cdef uint64_t shortest(uint64_t mantissa, int32_t exponent, int32_t* power) noexcept:
    """The digits of a finite double that is not zero; ``power`` is their power of ten."""
    cdef uint64_t whole = mantissa, lower, value, upper, digits, tens
    cdef int32_t binary = 1 - 1075, shift
    cdef bint even, narrow = mantissa == 0 and exponent > 1, down, up
    cdef const uint64_t* scale
    if exponent:
        whole |= <uint64_t>1 << MANTISSA_BITS
        binary = exponent - 1075
        if -MANTISSA_BITS <= binary <= 0 and not whole & ((<uint64_t>1 << -binary) - 1):
            power[0] = 0
            return whole >> -binary
    # Below, everything is four times as large, so that both ends of the interval that reads back
    # as this double are whole. A power of two is nearer to the double below it.
    even = not whole & 1
    power[0] = (binary * 1262611 - (524031 if narrow else 0)) >> 22
    shift = binary + (-power[0] * 1741647 >> 19) + 1
    scale = POWERS[-power[0] - LOWEST]
    lower = scaled(scale, (4 * whole - 2 + narrow) << shift) + (not even)
    value = scaled(scale, 4 * whole << shift)
    upper = scaled(scale, (4 * whole + 2) << shift) - (not even)
    digits = value // 4
    if digits >= 10:
        tens = digits // 10
        down, up = lower <= 40 * tens, 40 * tens + 40 <= upper
        if down != up:
            power[0] += 1
            return tens + up
    down, up = lower <= 4 * digits, 4 * digits + 4 <= upper
    if down != up:
        return digits + up
    return digits + (value > 4 * digits + 2 or (value == 4 * digits + 2 and digits & 1))
