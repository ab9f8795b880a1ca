"""The events of a batch as C structs, for use by other compiled modules."""

from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from gnomon.features.compiled.names cimport Slice

cdef enum:
    STARTED
    FINISHED
    CANCELLED


cdef struct Event:
    int kind
    Slice value  # the encoded event; empty if it was given as an object
    Slice agent_id, task_id, task_type, producer_id
    Slice traceparent  # of a start; NULL if it has none
    int64_t at_ms  # event time, by the agent's clock
    int64_t timestamp_ms  # of the record
    # UNKNOWN or not-a-number where the event does not give the field.
    int64_t seq, reviews
    double duration_s, estimate_s
    int succeeded, deployed
    PyObject* context  # of a start: a dictionary that is not empty, or NULL; an owned reference
    PyObject* whole  # the event as an object, or NULL if it was decoded in C; an owned reference


cdef class Events:
    """A sequence of ``TaskEvent``."""

    cdef Event* items
    cdef Py_ssize_t n, room
    cdef object owner  # keeps the bytes of the events alive

    cdef Event* add(self, int64_t timestamp_ms) noexcept
    cdef int reserve(self, Py_ssize_t n) except -1
    cdef int read(self, const char* value, Py_ssize_t n, int64_t timestamp_ms) except -1


cdef Events events_of(object records, object events)
