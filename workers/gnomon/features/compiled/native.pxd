"""An agent with Python's interface, for use by other compiled modules."""

cimport cython

from gnomon.features.compiled.memory cimport Memory


@cython.final
@cython.no_gc
cdef class Agent(Memory):
    """An ``AgentMemory``."""

    cdef int read_late_times(self, bytes times) except -1
