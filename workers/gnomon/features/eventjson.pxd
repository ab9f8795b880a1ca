"""Where the fields of an event lie."""

from cpython.object cimport PyObject


cdef Py_ssize_t offset(object cls, str name) except -1


cdef inline object field(object event, Py_ssize_t at):
    """Never empty: what is read here was decoded, which fills every field."""
    return <object>(<PyObject**>(<char*><PyObject*>event + at))[0]
