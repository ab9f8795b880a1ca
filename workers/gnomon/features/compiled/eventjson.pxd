"""The decoder of canonical events, for use by other compiled modules."""

from gnomon.features.compiled.packedevents cimport Event


cdef bint read_canonical(Event* event) except -1
