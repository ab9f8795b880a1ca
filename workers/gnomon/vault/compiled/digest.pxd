"""SHA-256 of many short texts, for use by other compiled modules."""

cimport cython


@cython.final
@cython.no_gc
cdef class Sha256:
    """Computes one hash after another. For one thread at a time."""

    cdef void* _context

    cdef int put(self, const char* first, size_t first_n, const char* second, size_t second_n, char* at) except -1
