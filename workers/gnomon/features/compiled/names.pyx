# cython: language_level=3
"""A cache of short strings that occur again and again: the names of agents and task types.

Each string has one slot, chosen by a hash of its bytes; a slot keeps the last string that was read
into it. A cached string takes no new memory and is found faster in dictionaries, because Python has
stored its hash.
"""

from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeUTF8
from libc.stdint cimport uint64_t
from libc.string cimport memcmp, memcpy

cdef enum:
    SLOTS = 1 << 14
    LONGEST = 64

cdef struct Slot:
    PyObject* name  # an owned reference
    const char* at  # its bytes
    Py_ssize_t n

cdef Slot CACHE[SLOTS]


cdef inline uint64_t hash_of(const char* at, Py_ssize_t n) noexcept:
    cdef uint64_t word, mix = <uint64_t>n
    while n >= 8:
        memcpy(&word, at, 8)
        mix = (mix ^ word) * <uint64_t>0x9E3779B97F4A7C15
        mix ^= mix >> 32
        at += 8
        n -= 8
    word = 0
    memcpy(&word, at, n)
    mix = (mix ^ word) * <uint64_t>0x9E3779B97F4A7C15
    return mix >> 40


cdef str name_of(const Slice* name):
    """The string of these bytes, which must be UTF-8."""
    cdef Slot* slot
    cdef str found
    cdef const char* at
    cdef Py_ssize_t n
    if name.n > LONGEST:
        return PyUnicode_DecodeUTF8(name.at, name.n, NULL)
    slot = &CACHE[hash_of(name.at, name.n) & (SLOTS - 1)]
    if slot.name != NULL and slot.n == name.n and not memcmp(slot.at, name.at, name.n):
        return <str><object>slot.name
    found = PyUnicode_DecodeUTF8(name.at, name.n, NULL)
    at = PyUnicode_AsUTF8AndSize(found, &n)
    Py_XDECREF(slot.name)
    Py_INCREF(found)
    slot.name, slot.at, slot.n = <PyObject*>found, at, n
    return found
