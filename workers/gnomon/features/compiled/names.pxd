"""The cache of short strings, for use by other compiled modules."""


cdef struct Slice:
    const char* at
    Py_ssize_t n


cdef str name_of(const Slice* name)
