"""An event in the usual form."""

from gnomon.features.compiled.packedevents cimport Event


cdef bint usual(Event* event) except -1
