# cython: language_level=3
"""``history.py`` in C: the last finished runs of one agent."""

from libc.math cimport NAN
from libc.stdint cimport int64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memmove

from gnomon.features.compiled.arrays cimport (
    NS, Int64Array, check_within, int64_bytes, int128, ratio, read_int64s,
)

from gnomon.features.memory.columns import RUNS_END as _RUNS_END
from gnomon.features.memory.history import RUNS as _RUNS

cdef int64_t RUNS_END = _RUNS_END

if _RUNS != RUNS:
    raise ImportError("the module was compiled for another number of runs")


cdef class Runs:
    def __dealloc__(self):
        free(self.runs)

    cdef int add(self, int64_t run) except -1:
        """Append one run, in place of the oldest once there are ``RUNS``."""
        cdef int64_t* moved
        if self.n == RUNS:
            self.sum -= self.runs[0]
            self.n -= 1
            memmove(self.runs, self.runs + 1, self.n * sizeof(int64_t))
        if self.n and self.n >= self.capacity:
            # The blocks that malloc returns have room for an odd number of integers.
            moved = <int64_t*>realloc(self.runs, (self.n + 2) * sizeof(int64_t))
            if moved == NULL:
                raise MemoryError
            self.runs = moved
            self.capacity = self.n + 2
            if self.n == 1:
                self.runs[0] = self.sum
        if self.n:
            self.runs[self.n] = run
        self.n += 1
        self.sum += run
        return 0

    cdef int summarise(self, RunsSummary* into) except -1:
        """``history.summary``."""
        into.n, into.mean_s, into.success_rate = self.n, NAN, NAN
        if self.n:
            into.mean_s = ratio(self.sum >> RUN_SHIFT, <int128>self.n * NS)
            into.success_rate = <double>(self.sum & RUN_SUCCEEDED) / <double>self.n
        return 0

    cdef bytes column(self):
        """The column of a snapshot: the sum, then the runs."""
        return int64_bytes(&self.sum, 1) + (
            int64_bytes(&self.sum if self.n == 1 else self.runs, self.n)
        )


cdef Runs runs_of(bytes column):
    """The runs that ``Runs.column`` exported.

    Raises:
        ValueError: The column cannot have been exported.
    """
    cdef Runs runs = Runs()
    cdef Int64Array values
    cdef Py_ssize_t i
    read_int64s(&values, column)
    try:
        if not 1 <= values.n <= RUNS + 1:
            raise ValueError(f"{values.n - 1} runs are not between 0 and {RUNS}")
        check_within(values.items + 1, values.n - 1, RUNS_END)
        for i in range(1, values.n):
            runs.add(values.items[i])
        if runs.sum != values.items[0]:
            raise ValueError("the sum of the runs is not the sum beside them")
    finally:
        free(values.items)
    return runs
