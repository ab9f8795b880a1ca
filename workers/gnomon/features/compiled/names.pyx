# cython: language_level=3
"""Strings that come again and again, agents' and task types' names: made once, mostly.

A name has one place in a table, where the last one with that place is kept. Who has the same string
as before needs no memory for it, and finds it faster in a dictionary: it has its hash.
"""

from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeUTF8
from libc.stdint cimport uint64_t
from libc.string cimport memcmp, memcpy

cdef enum:
    PLACES = 1 << 14
    LONGEST = 64

cdef struct Kept:
    PyObject* name  # ours
    const char* at  # its bytes
    Py_ssize_t n

cdef Kept KEPT[PLACES]


cdef inline uint64_t mixed(const char* at, Py_ssize_t n) noexcept:
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
    """The string of these bytes, which are UTF-8."""
    cdef Kept* kept
    cdef str found
    cdef const char* at
    cdef Py_ssize_t n
    if name.n > LONGEST:
        return PyUnicode_DecodeUTF8(name.at, name.n, NULL)
    kept = &KEPT[mixed(name.at, name.n) & (PLACES - 1)]
    if kept.name != NULL and kept.n == name.n and not memcmp(kept.at, name.at, name.n):
        return <str><object>kept.name
    found = PyUnicode_DecodeUTF8(name.at, name.n, NULL)
    at = PyUnicode_AsUTF8AndSize(found, &n)
    Py_XDECREF(kept.name)
    Py_INCREF(found)
    kept.name, kept.at, kept.n = <PyObject*>found, at, n
    return found
