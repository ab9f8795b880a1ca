# cython: language_level=3
"""SHA-256 by OpenSSL, without the objects that ``hashlib`` makes for each hash.

``hashlib`` allocates a context for each hash, looks the algorithm up, and copies the context to finish it. This
takes longer than the hash of some hundred bytes. So the same functions of the same library are called directly: those
of the OpenSSL that ``hashlib`` has loaded, whose addresses the dynamic linker knows. Where it does not know them, such
as in a Python that contains OpenSSL, ``hashlib`` is used.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uintptr_t
from libc.string cimport memcpy

import ctypes
from hashlib import sha256

cdef enum:
    HASH_BYTES = 32

# https://docs.openssl.org/3.0/man3/EVP_DigestInit/
ctypedef void* (*NewContext)() noexcept
ctypedef void (*FreeContext)(void*) noexcept
ctypedef void* (*Fetch)(void*, const char*, const char*) noexcept
ctypedef int (*Begin)(void*, void*, void*) noexcept
ctypedef int (*Update)(void*, const void*, size_t) noexcept
ctypedef int (*Finish)(void*, unsigned char*, unsigned int*) noexcept

cdef NewContext _new_context = NULL
cdef FreeContext _free_context = NULL
cdef Begin _begin = NULL
cdef Update _update = NULL
cdef Finish _finish = NULL
cdef void* _algorithm = NULL
"""OpenSSL's SHA-256; without it, ``hashlib`` is used."""
cdef object _sha256 = sha256


cdef class Sha256:

    def __cinit__(self):
        self._context = NULL
        if _algorithm is not NULL:
            self._context = _new_context()
            if self._context is NULL:
                raise MemoryError

    def __dealloc__(self):
        if self._context is not NULL:
            _free_context(self._context)

    cdef int put(self, const char* first, size_t first_n, const char* second, size_t second_n, char* at) except -1:
        """Write the hash of two texts, one after the other, as 32 bytes."""
        if self._context is NULL:
            return _put_by_hashlib(first, first_n, second, second_n, at)
        if not (
            _begin(self._context, _algorithm, NULL)
            and _update(self._context, first, first_n)
            and _update(self._context, second, second_n)
            and _finish(self._context, <unsigned char*>at, NULL)
        ):
            raise RuntimeError("OpenSSL cannot compute SHA-256")
        return 0


cdef int _put_by_hashlib(
    const char* first, size_t first_n, const char* second, size_t second_n, char* at
) except -1:
    cdef bytes made = PyBytes_FromStringAndSize(NULL, first_n + second_n)
    memcpy(PyBytes_AS_STRING(made), first, first_n)
    memcpy(PyBytes_AS_STRING(made) + first_n, second, second_n)
    cdef bytes hashed = _sha256(made).digest()
    memcpy(at, PyBytes_AS_STRING(hashed), HASH_BYTES)
    return 0


def uses_openssl():
    """Return whether OpenSSL's functions were found."""
    return _algorithm is not NULL


def use_hashlib():
    """Use ``hashlib`` from now on."""
    global _algorithm
    _algorithm = NULL


def use_openssl():
    """Use OpenSSL's functions from now on, if they can be found."""
    _find()


cdef int _find() except -1:
    """Find OpenSSL 3 in what ``hashlib`` has loaded."""
    global _new_context, _free_context, _begin, _update, _finish, _algorithm
    try:
        import _hashlib

        library = ctypes.CDLL(_hashlib.__file__)
        _new_context = <NewContext>_address(library, "EVP_MD_CTX_new")
        _free_context = <FreeContext>_address(library, "EVP_MD_CTX_free")
        _begin = <Begin>_address(library, "EVP_DigestInit_ex")
        _update = <Update>_address(library, "EVP_DigestUpdate")
        _finish = <Finish>_address(library, "EVP_DigestFinal_ex")
        fetch = _address(library, "EVP_MD_fetch")
    except (ImportError, AttributeError, OSError):
        return 0
    _algorithm = (<Fetch>fetch)(NULL, b"SHA256", NULL)
    return 0


cdef uintptr_t _address(library, name) except 0:
    return ctypes.cast(getattr(library, name), ctypes.c_void_p).value


_find()
