# cython: language_level=3
"""How numbers lie in a record batch: big-endian integers, varints, and CRC-32C by the processor.

Layout: https://kafka.apache.org/documentation/#recordbatch.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int16_t, int32_t, int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    #if defined(__x86_64__) && defined(__GNUC__)
    #include <nmmintrin.h>
    #define GNOMON_CRC_TARGET "sse4.2"
    #define gnomon_has_crc() __builtin_cpu_supports("sse4.2")
    #define gnomon_crc_word(crc, word) _mm_crc32_u64(crc, word)
    #define gnomon_crc_byte(crc, byte) _mm_crc32_u8((uint32_t)(crc), byte)
    #elif defined(__aarch64__) && defined(__linux__) && defined(__GNUC__)
    #include <arm_acle.h>
    #include <sys/auxv.h>
    #ifdef __clang__
    #define GNOMON_CRC_TARGET "crc"
    #else
    #define GNOMON_CRC_TARGET "+crc"
    #endif
    #define gnomon_has_crc() (getauxval(AT_HWCAP) >> 7 & 1) /* HWCAP_CRC32 */
    #define gnomon_crc_word(crc, word) __crc32cd((uint32_t)(crc), word)
    #define gnomon_crc_byte(crc, byte) __crc32cb((uint32_t)(crc), byte)
    #endif
    #ifdef GNOMON_CRC_TARGET
    __attribute__((target(GNOMON_CRC_TARGET)))
    static uint32_t gnomon_crc32c(const char *at, Py_ssize_t n) {
        uint64_t crc = 0xFFFFFFFF, word;
        for (; n >= 8; n -= 8, at += 8) {
            memcpy(&word, at, 8);
            crc = gnomon_crc_word(crc, word);
        }
        for (; n > 0; n--, at++)
            crc = gnomon_crc_byte(crc, (unsigned char)*at);
        return ~(uint32_t)crc;
    }
    #else
    #define gnomon_has_crc() 0
    #define gnomon_crc32c(at, n) 0
    #endif
    #define gnomon_swap16(value) __builtin_bswap16((uint16_t)(value))
    #define gnomon_swap32(value) __builtin_bswap32((uint32_t)(value))
    #define gnomon_swap64(value) __builtin_bswap64((uint64_t)(value))
    """
    bint gnomon_has_crc()
    uint32_t gnomon_crc32c(const char* at, Py_ssize_t n) noexcept
    int16_t gnomon_swap16(int16_t value) noexcept
    int32_t gnomon_swap32(int32_t value) noexcept
    int64_t gnomon_swap64(int64_t value) noexcept

cdef enum:
    AFTER_LENGTH = 12
    CRC_AT = 17
    ATTRIBUTES_AT = 21
    HEADER = 61
    MAGIC = 2
    APPEND_TIME = 8
    TRANSACTIONAL = 16
    # Lengths, counts and times of a record without headers: six varints and the attributes.
    OVERHEAD = 41


cdef inline int16_t get16(const char* at) noexcept:
    cdef int16_t value
    memcpy(&value, at, 2)
    return gnomon_swap16(value)


cdef inline int32_t get32(const char* at) noexcept:
    cdef int32_t value
    memcpy(&value, at, 4)
    return gnomon_swap32(value)


cdef inline int64_t get64(const char* at) noexcept:
    cdef int64_t value
    memcpy(&value, at, 8)
    return gnomon_swap64(value)


cdef inline char* put16(char* at, int16_t value) noexcept:
    value = gnomon_swap16(value)
    memcpy(at, &value, 2)
    return at + 2


cdef inline char* put32(char* at, int32_t value) noexcept:
    value = gnomon_swap32(value)
    memcpy(at, &value, 4)
    return at + 4


cdef inline char* put64(char* at, int64_t value) noexcept:
    value = gnomon_swap64(value)
    memcpy(at, &value, 8)
    return at + 8


cdef inline char* put_varint(char* at, int64_t value) noexcept:
    cdef uint64_t rest = (<uint64_t>value << 1) ^ <uint64_t>(value >> 63)
    while rest >= 0x80:
        at[0] = <char>(rest | 0x80)
        at += 1
        rest >>= 7
    at[0] = <char>rest
    return at + 1


cdef inline Py_ssize_t varint_size(int64_t value) noexcept:
    cdef uint64_t rest = (<uint64_t>value << 1) ^ <uint64_t>(value >> 63)
    cdef Py_ssize_t n = 1
    while rest >= 0x80:
        n += 1
        rest >>= 7
    return n


cdef struct Data:
    const char* at
    Py_ssize_t n  # -1 where there is none


cdef inline Data data_of(object given) except *:
    """Where a key or a value lies."""
    if given is None:
        return Data(NULL, -1)
    if type(given) is not bytes:
        raise TypeError(f"expected bytes, got {type(given).__name__}")
    return Data(PyBytes_AS_STRING(given), PyBytes_GET_SIZE(given))


cdef inline char* put_data(char* at, Data data) noexcept:
    at = put_varint(at, data.n)
    if data.n > 0:
        memcpy(at, data.at, data.n)
        at += data.n
    return at
