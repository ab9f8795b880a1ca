"""Strings that come again and again."""


cdef struct Slice:
    const char* at
    Py_ssize_t n


cdef str name_of(const Slice* name)
