"""The last runs of an agent, for use by other compiled modules."""

cimport cython
from libc.stdint cimport int32_t, int64_t

cdef enum:
    RUNS = 20
    RUN_SHIFT = 5
    RUN_SUCCEEDED = (1 << RUN_SHIFT) - 1


cdef struct RunsSummary:
    int64_t n
    double mean_s  # not-a-number where there is no run; so is the next
    double success_rate


@cython.final
@cython.no_gc
cdef class Runs:
    """Up to ``RUNS`` runs in order of arrival, and their sum.

    A single run is stored as the sum alone: of most task types an agent has finished few tasks,
    and there are many agents.
    """

    cdef int64_t sum
    cdef int64_t* runs
    cdef int32_t n
    cdef int32_t capacity

    cdef int add(self, int64_t run) except -1
    cdef int summarise(self, RunsSummary* into) except -1
    cdef bytes column(self)


cdef Runs runs_of(bytes column)
