# cython: language_level=3, cdivision=True
"""``window.Window`` in C: one agent's finishes by finish time, and sums over a range of them.

The functions are inlined into ``memory``. Each does what its namesake in ``window.py`` does.
"""

from libc.math cimport NAN
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free
from libc.string cimport memmove

from gnomon.features.compiled.arrays cimport (
    NS, Int64Array, grown, insert_sorted, int128, ratio, remove_sorted,
)
from gnomon.features.compiled.vector cimport HourFeatures

cdef enum:
    UNKNOWN = -1  # a count or truth value that an event does not give
    RANK_ABOVE = 24
    # The flags of a finish; the code review iterations are above them.
    SUCCEEDED = 1
    DEPLOYMENT_FAILED = 2
    DEPLOYMENT_SUCCEEDED = 4
    REVIEWED = 8
    FLAG_BITS = 4


cdef struct Finish:
    int64_t time_ms
    int64_t duration_ns
    int32_t flags


cdef struct Sums:
    int128 total_ns
    int64_t succeeded
    int64_t reviewed
    int64_t reviews
    int64_t deployed
    int64_t deployed_well


cdef struct Window:
    Finish* finishes  # by finish time; the sums are over those in [first, stop)
    Py_ssize_t n, capacity, first, stop
    Sums sums
    Int64Array ranked  # durations of [first, stop), ascending; kept while ``is_ranked``
    bint is_ranked


cdef inline int32_t pack_flags(bint succeeded, int64_t reviews, int deployed) noexcept:
    """``window.pack_flags``; what is not given is ``UNKNOWN``."""
    cdef int32_t code = SUCCEEDED if succeeded else 0
    if deployed != UNKNOWN:
        code |= DEPLOYMENT_SUCCEEDED if deployed else DEPLOYMENT_FAILED
    if reviews == UNKNOWN:
        return code
    return <int32_t>reviews << FLAG_BITS | code | REVIEWED


cdef inline void free_window(Window* window) noexcept:
    free(window.finishes)
    free(window.ranked.items)


cdef inline Py_ssize_t finishes_until(const Window* window, int64_t until_ms) noexcept:
    """How many finishes are at or before ``until_ms``; usually all of them."""
    cdef Py_ssize_t low = 0, high = window.n, mid
    if not window.n or window.finishes[window.n - 1].time_ms <= until_ms:
        return window.n
    while low < high:
        mid = (low + high) >> 1
        if window.finishes[mid].time_ms <= until_ms:
            low = mid + 1
        else:
            high = mid
    return low


cdef inline void count_finish(Sums* sums, const Finish* finish, int64_t sign) noexcept:
    """Add a finish to the sums, or subtract it where ``sign`` is -1."""
    cdef int32_t flags = finish.flags
    sums.total_ns += sign * <int128>finish.duration_ns
    sums.reviews += sign * (flags >> FLAG_BITS)
    if flags & SUCCEEDED:
        sums.succeeded += sign
    if flags & REVIEWED:
        sums.reviewed += sign
    if flags & (DEPLOYMENT_FAILED | DEPLOYMENT_SUCCEEDED):
        sums.deployed += sign
    if flags & DEPLOYMENT_SUCCEEDED:
        sums.deployed_well += sign


cdef inline int add_to_sums(Window* window, Py_ssize_t start, Py_ssize_t stop) except -1:
    """Add the finishes in ``[start, stop)`` to the sums."""
    cdef Py_ssize_t i
    for i in range(start, stop):
        count_finish(&window.sums, &window.finishes[i], 1)
        if window.is_ranked:
            insert_sorted(&window.ranked, window.finishes[i].duration_ns)
    return 0


cdef inline void subtract_from_sums(Window* window, Py_ssize_t start, Py_ssize_t stop) noexcept:
    """Subtract the finishes in ``[start, stop)`` from the sums."""
    cdef Py_ssize_t i
    for i in range(start, stop):
        count_finish(&window.sums, &window.finishes[i], -1)
        if window.is_ranked:
            remove_sorted(&window.ranked, window.finishes[i].duration_ns)


cdef inline int add_finish(Window* window, Finish finish) except -1:
    """``Window.add``."""
    cdef Py_ssize_t at = finishes_until(window, finish.time_ms)
    window.finishes = <Finish*>grown(
        window.finishes, window.n, &window.capacity, sizeof(Finish)
    )
    memmove(window.finishes + at + 1, window.finishes + at, (window.n - at) * sizeof(Finish))
    window.finishes[at] = finish
    window.n += 1
    if at < window.n - 1:
        if at <= window.first:
            window.first += 1
            window.stop += 1
        elif at < window.stop:
            window.stop += 1
            add_to_sums(window, at, at + 1)
    return 0


cdef inline int select(Window* window, int64_t after_ms, int64_t until_ms) except -1:
    """``Window.select``."""
    cdef Py_ssize_t first = window.first, stop = window.stop
    if after_ms > until_ms:
        after_ms = until_ms
    while stop < window.n and window.finishes[stop].time_ms <= until_ms:
        stop += 1
    while stop and window.finishes[stop - 1].time_ms > until_ms:
        stop -= 1
    while first and window.finishes[first - 1].time_ms > after_ms:
        first -= 1
    while first < window.n and window.finishes[first].time_ms <= after_ms:
        first += 1
    # Ranges are added before any is removed, so nothing is removed that was never added.
    if stop > window.stop:
        add_to_sums(window, window.stop, stop)
    if first < window.first:
        add_to_sums(window, first, window.first)
    if stop < window.stop:
        subtract_from_sums(window, stop, window.stop)
    if first > window.first:
        subtract_from_sums(window, window.first, first)
    window.first, window.stop = first, stop
    return 0


cdef inline int window_features(Window* window, int64_t in_flight, HourFeatures* into) except -1:
    """``Window.features``."""
    cdef Py_ssize_t n = window.stop - window.first
    cdef const Sums* sums = &window.sums
    into.tasks_completed_1h = n
    into.avg_execution_time_1h = ratio(sums.total_ns, <int128>n * NS) if n else NAN
    into.success_rate_1h = <double>sums.succeeded / <double>n if n else NAN
    into.code_review_iterations = ratio(sums.reviews, sums.reviewed) if sums.reviewed else NAN
    into.median_execution_time_1h = ratio(median_ns2(window, n), 2 * NS) if n else NAN
    into.deployment_success_rate_1h = (
        <double>sums.deployed_well / <double>sums.deployed if sums.deployed else NAN
    )
    into.tasks_in_flight = in_flight
    return 0


cdef inline int128 median_ns2(Window* window, Py_ssize_t n) except -1:
    """Twice the median in ns of ``n`` selected finishes; only large windows are kept sorted."""
    cdef int64_t few[RANK_ABOVE]
    cdef const int64_t* ranked = few
    cdef Py_ssize_t i, at
    cdef int64_t duration_ns
    if window.is_ranked and n <= RANK_ABOVE // 2:
        free(window.ranked.items)
        window.ranked = Int64Array(NULL, 0, 0)
        window.is_ranked = False
    if not window.is_ranked and n > RANK_ABOVE:
        for i in range(window.first, window.stop):
            insert_sorted(&window.ranked, window.finishes[i].duration_ns)
        window.is_ranked = True
    if window.is_ranked:
        ranked = window.ranked.items
    else:
        for i in range(n):
            duration_ns = window.finishes[window.first + i].duration_ns
            at = i
            while at and few[at - 1] > duration_ns:
                few[at] = few[at - 1]
                at -= 1
            few[at] = duration_ns
    return <int128>ranked[n >> 1] + ranked[(n - 1) >> 1]


cdef inline void forget_finishes(Window* window, int64_t until_ms) noexcept:
    """Drop every finish at or before ``until_ms``."""
    cdef Py_ssize_t count = finishes_until(window, until_ms)
    if not count:
        return
    if window.first < count:
        subtract_from_sums(window, window.first, min(count, window.stop))
        window.first, window.stop = count, max(count, window.stop)
    window.n -= count
    memmove(window.finishes, window.finishes + count, window.n * sizeof(Finish))
    window.first -= count
    window.stop -= count
