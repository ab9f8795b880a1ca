# cython: language_level=3
"""One agent's memory in C: what ``agent.py`` defines, in arrays of structs.

Every function does what its namesake there does; the reasons are told there. Sums are whole
nanoseconds in 128 bits, and each mean is one division of exact numbers, so nothing differs in the
last bit. Memory that cannot be had raises MemoryError, which ends the process.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.math cimport NAN, isnan
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memmove

from sys import intern

from gnomon.features.columns import (
    DURATIONS_END_NS as _DURATIONS_END,
    RUNS_END as _RUNS_END,
    TIMES_END_MS as _TIMES_END,
)
from gnomon.features.config import FLIGHT_MS as _FLIGHT_MS, HOUR_MS as _HOUR_MS
from gnomon.features.figures import Columns
from gnomon.features.history import MAX_TYPES as _MAX_TYPES, RUNS as _RUNS

cdef int64_t FLIGHT_MS = _FLIGHT_MS
cdef int64_t HOUR_MS = _HOUR_MS
cdef int64_t FLIGHT_LONGER_MS = _FLIGHT_MS - _HOUR_MS
cdef Py_ssize_t MAX_TYPES = _MAX_TYPES
# What a number in a snapshot is below: sums and differences of such numbers cannot overflow.
cdef int64_t TIMES_END = _TIMES_END
cdef int64_t DURATIONS_END = _DURATIONS_END
cdef int64_t RUNS_END = _RUNS_END
cdef enum:
    RUNS = 20
    ROOM = 24
    RANK_ABOVE = 24
    RUN_SHIFT = 5
    RUN_SUCCEEDED = (1 << RUN_SHIFT) - 1
    # A mark: succeeded, deployment failed, deployment succeeded, reviewed; above them the reviews.
    SUCCEEDED = 1
    DEPLOYED_BADLY = 2
    DEPLOYED_WELL = 4
    REVIEWED = 8
    MARK_BITS = 4
cdef int64_t NS = 1_000_000_000
cdef int64_t EXACT = 1 << 53
cdef uint64_t PRIME = (1 << 63) - 25
cdef uint64_t LOW_63 = (1 << 63) - 1

if _RUNS != RUNS:
    raise ImportError("built for another number of runs")


# Arrays ---------------------------------------------------------------------------------------


cdef void* grown(void* at, Py_ssize_t n, Py_ssize_t* room, size_t size) except NULL:
    """Room for one more: four at a time while there are few, for there are many agents."""
    cdef Py_ssize_t wanted
    cdef void* moved
    if n < room[0]:
        return at
    wanted = n + 4 + (n >> 2 if n >= 32 else 0)
    moved = realloc(at, wanted * size)
    if moved == NULL:
        raise MemoryError
    room[0] = wanted
    return moved


cdef Py_ssize_t above(const int64_t* at, Py_ssize_t n, int64_t value) noexcept:
    """How many of the ascending ``at`` are at most ``value``."""
    cdef Py_ssize_t low = 0, high = n, mid
    while low < high:
        mid = (low + high) >> 1
        if at[mid] <= value:
            low = mid + 1
        else:
            high = mid
    return low


cdef Py_ssize_t below(const int64_t* at, Py_ssize_t n, int64_t value) noexcept:
    """How many of the ascending ``at`` are less than ``value``."""
    cdef Py_ssize_t low = 0, high = n, mid
    while low < high:
        mid = (low + high) >> 1
        if at[mid] < value:
            low = mid + 1
        else:
            high = mid
    return low


cdef int insert(Longs* longs, int64_t value) except -1:
    """Put ``value`` behind its equals."""
    longs.at = <int64_t*>grown(longs.at, longs.n, &longs.room, sizeof(int64_t))
    cdef Py_ssize_t at = above(longs.at, longs.n, value)
    memmove(longs.at + at + 1, longs.at + at, (longs.n - at) * sizeof(int64_t))
    longs.at[at] = value
    longs.n += 1
    return 0


cdef void remove(Longs* longs, int64_t value) noexcept:
    """Take one ``value`` out, which is there."""
    cdef Py_ssize_t at = below(longs.at, longs.n, value)
    longs.n -= 1
    memmove(longs.at + at, longs.at + at + 1, (longs.n - at) * sizeof(int64_t))


cdef int64_t newest(const int64_t* at, Py_ssize_t n, int64_t until) noexcept:
    """The last of the ascending ``at`` that is at most ``until``, else -1."""
    n = above(at, n, until)
    return at[n - 1] if n else -1


# Numbers --------------------------------------------------------------------------------------


cdef double ratio(int128 numerator, int128 denominator) except? -1.0:
    """One division, rounded once, of two numbers that are not negative."""
    if numerator < EXACT and denominator < EXACT:
        return <double>numerator / <double>denominator
    return whole(numerator) / whole(denominator)


cdef object whole(int128 number):
    return (<object><uint64_t>(number >> 64) << 64) + <uint64_t>number


cdef inline object known_or_none(double value):
    return None if isnan(value) else value


cdef int64_t task_key(const char* task_id, Py_ssize_t n) noexcept:
    """``tasks.task_key``: the id's bytes behind a 1 as one number, modulo 2**63 - 25.

    Eight bytes at a time from the top; 2**64 is 50 modulo the prime.
    """
    cdef const unsigned char* text = <const unsigned char*>task_id
    cdef Py_ssize_t at = n & ~<Py_ssize_t>7, i
    cdef uint64_t key, word = 1
    cdef uint128 sum
    for i in range(n - 1, at - 1, -1):
        word = word << 8 | text[i]
    key = word % PRIME
    while at:
        at -= 8
        memcpy(&word, text + at, 8)
        sum = <uint128>key * 50 + word
        sum = (sum >> 63) * 25 + (sum & LOW_63)
        sum = (sum >> 63) * 25 + (sum & LOW_63)
        key = <uint64_t>sum
        if key >= PRIME:
            key -= PRIME
    return <int64_t>key


cdef int64_t key_of(str task_id) except -1:
    cdef Py_ssize_t n
    cdef const char* text = PyUnicode_AsUTF8AndSize(task_id, &n)
    return task_key(text, n)


# The last runs ----------------------------------------------------------------------------------


cdef class _Runs:
    def __dealloc__(self):
        free(self.runs)

    cdef int add(self, int64_t run) except -1:
        cdef int64_t* moved
        if self.n == RUNS:
            self.sum -= self.runs[0]
            self.n -= 1
            memmove(self.runs, self.runs + 1, self.n * sizeof(int64_t))
        if self.n and self.n >= self.room:
            # What malloc hands out has room for an odd number of them.
            moved = <int64_t*>realloc(self.runs, (self.n + 2) * sizeof(int64_t))
            if moved == NULL:
                raise MemoryError
            self.runs = moved
            self.room = self.n + 2
            if self.n == 1:
                self.runs[0] = self.sum
        if self.n:
            self.runs[self.n] = run
        self.n += 1
        self.sum += run
        return 0

    cdef int average(self, Averages* into) except -1:
        """``history.averages``."""
        into.n, into.mean_s, into.success_rate = self.n, NAN, NAN
        if self.n:
            into.mean_s = ratio(self.sum >> RUN_SHIFT, <int128>self.n * NS)
            into.success_rate = <double>(self.sum & RUN_SUCCEEDED) / <double>self.n
        return 0

    cdef bytes written(self):
        return longs_bytes(&self.sum, 1) + (
            longs_bytes(&self.sum if self.n == 1 else self.runs, self.n)
        )


cdef _Runs runs_of(bytes data):
    """What ``_Runs.written`` wrote.

    Raises:
        ValueError: The bytes are no ring of runs.
    """
    cdef _Runs runs = _Runs()
    cdef Longs longs
    cdef Py_ssize_t i
    read_longs(&longs, data)
    try:
        if not 1 <= longs.n <= RUNS + 1:
            raise ValueError("a ring of runs of an impossible length")
        check_within(longs.at + 1, longs.n - 1, RUNS_END)
        for i in range(1, longs.n):
            runs.add(longs.at[i])
        if runs.sum != longs.at[0]:
            raise ValueError("a ring of runs that does not add up")
    finally:
        free(longs.at)
    return runs


# Columns ----------------------------------------------------------------------------------------


cdef bytes longs_bytes(const int64_t* at, Py_ssize_t n):
    return PyBytes_FromStringAndSize(<const char*>at, n * sizeof(int64_t))


cdef int read_longs(Longs* longs, bytes data) except -1:
    """A copy of a column; the caller frees it."""
    cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
    longs.at, longs.n, longs.room = NULL, 0, 0
    if size % <Py_ssize_t>sizeof(int64_t):
        raise ValueError("a column is no whole number of integers")
    if size:
        longs.at = <int64_t*>realloc(NULL, size)
        if longs.at == NULL:
            raise MemoryError
        memcpy(longs.at, PyBytes_AS_STRING(data), size)
        longs.n = longs.room = size // sizeof(int64_t)
    return 0


cdef int check_within(const int64_t* at, Py_ssize_t n, int64_t end) except -1:
    """``columns.check_within``."""
    cdef Py_ssize_t i
    for i in range(n):
        if not 0 <= at[i] < end:
            raise ValueError("a column has a number outside its bounds")
    return 0


cdef int check_ascending(const int64_t* at, Py_ssize_t n, bint strictly) except -1:
    """``columns.check_ascending``."""
    cdef Py_ssize_t i
    for i in range(n - 1):
        if at[i] > at[i + 1] or (strictly and at[i] == at[i + 1]):
            raise ValueError("a column is not in ascending order")
    return 0


# The agent --------------------------------------------------------------------------------------


cdef class Agent:
    def __init__(self, int64_t newest_ms, int64_t appended_ms):
        self.newest_ms = newest_ms
        self.appended_ms = appended_ms
        self.due_minute = self.forgotten_finish_ms = -1
        self.ended_room_at = ROOM
        self.overall = _Runs()
        self.by_type = {}

    def __dealloc__(self):
        free(self.finishes)
        free(self.ranked.at)
        free(self.late.at)
        free(self.ended)
        free(self.flights)
        free(self.flight_times.at)

    # Events

    def start(self, event, int64_t appended_ms, int64_t kept_ms):
        cdef Known known
        if not self.begin_task(
            key_of(event.task_id),
            event.task_type,
            event.started_at_ms,
            appended_ms,
            kept_ms,
            &known,
        ):
            return None
        return figures_of(&known.hour) + (
            known.hour.in_flight,
            known_or_none(known.since_finish_s),
            *averages_of(&known.same),
            *averages_of(&known.overall),
            known.hour.late,
        )

    def finish(self, event, int64_t appended_ms, int64_t kept_ms):
        reviews, deployed = event.code_review_iterations, event.deployment_succeeded
        cdef int32_t mark = mark_of(
            event.succeeded,
            UNKNOWN if reviews is None else reviews,
            UNKNOWN if deployed is None else deployed,
        )
        self.finish_task(
            key_of(event.task_id),
            event.task_type,
            event.finished_at_ms,
            event.duration_s,
            mark,
            appended_ms,
            kept_ms,
        )

    def cancel(self, event, int64_t appended_ms, int64_t kept_ms):
        self.cancel_task(key_of(event.task_id), event.cancelled_at_ms, appended_ms, kept_ms)

    cdef bint begin_task(
        self,
        int64_t key,
        str task_type,
        int64_t t,
        int64_t appended_ms,
        int64_t kept_ms,
        Known* known,
    ) except -1:
        """``start``; False if it is a repeat."""
        cdef int64_t kept_from_ms = self.advance(t, appended_ms, kept_ms)
        cdef int64_t flights_from_ms = kept_from_ms - FLIGHT_LONGER_MS
        cdef int64_t after_ms, last_ms
        cdef Py_ssize_t at = self.flight_at(key)
        cdef _Runs same
        if self.flies(at, key) and self.flights[at].started_ms > flights_from_ms:
            return False
        at = self.ended_at(key)
        if self.has_ended(at, key) and self.ended[at].when >> 1 > kept_from_ms:
            return False
        after_ms = max(t - HOUR_MS, kept_from_ms)
        self.show(after_ms, t)
        self.figures(&known.hour)
        known.hour.in_flight = self.flights_between(after_ms - FLIGHT_LONGER_MS, t)
        known.hour.late = self.late_between(after_ms, t)
        last_ms = self.last_finish_ms(t, kept_from_ms)
        known.since_finish_s = NAN if last_ms < 0 else <double>(t - last_ms) / 1000.0
        same = self.by_type.get(task_type)
        if same is None:
            known.same = Averages(0, NAN, NAN)
        else:
            same.average(&known.same)
        self.overall.average(&known.overall)
        self.fly(key, t, flights_from_ms)
        return True

    cdef int finish_task(
        self,
        int64_t key,
        str task_type,
        int64_t time_ms,
        double duration_s,
        int32_t mark,
        int64_t appended_ms,
        int64_t kept_ms,
    ) except -1:
        """``finish``."""
        cdef int64_t duration_ns = <int64_t>(duration_s * 1e9 + 0.5)
        cdef int64_t kept_from_ms = self.advance(time_ms, appended_ms, kept_ms)
        if not self.end_finished(key, time_ms, kept_from_ms):
            return 0
        self.land(key)
        self.remember(task_type, duration_ns << RUN_SHIFT | (mark & SUCCEEDED))
        if time_ms >= kept_from_ms + HOUR_MS:
            self.add(Finish(time_ms, duration_ns, mark))
        elif time_ms > kept_from_ms:
            insert(&self.late, time_ms)
        elif time_ms > self.forgotten_finish_ms:
            self.forgotten_finish_ms = time_ms
        if self.ended_n >= self.ended_room_at:
            self.forget(kept_from_ms)
        return 0

    cdef int cancel_task(
        self, int64_t key, int64_t time_ms, int64_t appended_ms, int64_t kept_ms
    ) except -1:
        """``cancel``."""
        cdef int64_t kept_from_ms = self.advance(time_ms, appended_ms, kept_ms)
        self.land(key)
        self.end_cancelled(key, time_ms, kept_from_ms)
        if self.ended_n >= self.ended_room_at:
            self.forget(kept_from_ms)
        return 0

    # Questions

    def now(self, int64_t as_of_ms):
        cdef Hour hour
        cdef int64_t last_ms
        self.hour(as_of_ms, &hour, &last_ms)
        return figures_of(&hour) + (hour.in_flight, None if last_ms < 0 else last_ms, hour.late)

    cdef int hour(self, int64_t as_of_ms, Hour* hour, int64_t* last_ms) except -1:
        """``now``; the last finish is -1 where there is none."""
        last_ms[0] = self.last_finish_ms(as_of_ms, -1)
        self.show(as_of_ms - HOUR_MS, as_of_ms)
        self.figures(hour)
        hour.in_flight = self.flights_between(as_of_ms - FLIGHT_MS, as_of_ms)
        hour.late = self.late_between(as_of_ms - HOUR_MS, as_of_ms)
        return 0

    def counts(self, int64_t as_of_ms):
        self.show(as_of_ms - HOUR_MS, as_of_ms)
        return self.stop - self.first + self.flights_between(as_of_ms - FLIGHT_MS, as_of_ms)

    def decays_at_ms(self, int64_t as_of_ms):
        return self.decay_ms(as_of_ms)

    cdef int64_t decay_ms(self, int64_t as_of_ms) except -2:
        """``decays_at_ms``."""
        cdef Longs* times = &self.flight_times
        cdef Py_ssize_t oldest = above(times.at, times.n, as_of_ms - FLIGHT_MS)
        cdef int64_t decays_ms = -1
        self.show(as_of_ms - HOUR_MS, as_of_ms)
        if self.stop > self.first:
            decays_ms = self.finishes[self.first].time_ms + HOUR_MS
        if oldest < times.n and (decays_ms < 0 or times.at[oldest] + FLIGHT_MS < decays_ms):
            decays_ms = times.at[oldest] + FLIGHT_MS
        return decays_ms

    cdef int64_t advance(self, int64_t time_ms, int64_t appended_ms, int64_t kept_ms) noexcept:
        self.appended_ms = appended_ms
        if time_ms > self.newest_ms:
            self.newest_ms = time_ms
        return self.newest_ms - kept_ms

    cdef int64_t last_finish_ms(self, int64_t until_ms, int64_t kept_from_ms) noexcept:
        """-1 where there is none."""
        cdef int64_t last = self.newest_between(until_ms)
        if last <= kept_from_ms:
            last = max(self.forgotten_finish_ms, self.newest_between(kept_from_ms))
        return last if last <= until_ms else -1

    cdef int64_t newest_between(self, int64_t until_ms) noexcept:
        """The newest in the window, or late, at or before ``until_ms``; -1 if there is none."""
        cdef Py_ssize_t n = self.finishes_until(until_ms)
        cdef int64_t last = self.finishes[n - 1].time_ms if n else -1
        if self.late.n:
            last = max(last, newest(self.late.at, self.late.n, until_ms))
        return last

    cdef int64_t late_between(self, int64_t after_ms, int64_t until_ms) noexcept:
        cdef Longs* late = &self.late
        cdef int64_t count
        if not late.n:
            return 0
        count = above(late.at, late.n, until_ms) - above(late.at, late.n, after_ms)
        return max(count, 0)

    # The window

    cdef Py_ssize_t finishes_until(self, int64_t until_ms) noexcept:
        """How many finishes are at or before ``until_ms``; most often all."""
        cdef Py_ssize_t low = 0, high = self.n, mid
        if not self.n or self.finishes[self.n - 1].time_ms <= until_ms:
            return self.n
        while low < high:
            mid = (low + high) >> 1
            if self.finishes[mid].time_ms <= until_ms:
                low = mid + 1
            else:
                high = mid
        return low

    cdef int add(self, Finish finish) except -1:
        cdef Py_ssize_t at = self.finishes_until(finish.time_ms)
        self.finishes = <Finish*>grown(self.finishes, self.n, &self.room, sizeof(Finish))
        memmove(self.finishes + at + 1, self.finishes + at, (self.n - at) * sizeof(Finish))
        self.finishes[at] = finish
        self.n += 1
        if at < self.n - 1:
            if at <= self.first:
                self.first += 1
                self.stop += 1
            elif at < self.stop:
                self.stop += 1
                self.enter(at, at + 1)
        return 0

    cdef int show(self, int64_t after_ms, int64_t until_ms) except -1:
        """Let the sums be over the finishes in ``(after_ms, until_ms]``; none if that is empty."""
        cdef Py_ssize_t first = self.first, stop = self.stop
        if after_ms > until_ms:
            after_ms = until_ms
        while stop < self.n and self.finishes[stop].time_ms <= until_ms:
            stop += 1
        while stop and self.finishes[stop - 1].time_ms > until_ms:
            stop -= 1
        while first and self.finishes[first - 1].time_ms > after_ms:
            first -= 1
        while first < self.n and self.finishes[first].time_ms <= after_ms:
            first += 1
        # Stretches are entered before any is left, so nothing is left that was never entered.
        if stop > self.stop:
            self.enter(self.stop, stop)
        if first < self.first:
            self.enter(first, self.first)
        if stop < self.stop:
            self.leave(stop, self.stop)
        if first > self.first:
            self.leave(self.first, first)
        self.first, self.stop = first, stop
        return 0

    cdef int enter(self, Py_ssize_t start, Py_ssize_t stop) except -1:
        cdef Py_ssize_t i
        for i in range(start, stop):
            self.count(&self.finishes[i], 1)
            if self.is_ranked:
                insert(&self.ranked, self.finishes[i].duration_ns)
        return 0

    cdef void leave(self, Py_ssize_t start, Py_ssize_t stop) noexcept:
        cdef Py_ssize_t i
        for i in range(start, stop):
            self.count(&self.finishes[i], -1)
            if self.is_ranked:
                remove(&self.ranked, self.finishes[i].duration_ns)

    cdef void count(self, const Finish* finish, int64_t times) noexcept:
        cdef int32_t mark = finish.mark
        self.sums.total_ns += times * <int128>finish.duration_ns
        self.sums.reviews += times * (mark >> MARK_BITS)
        if mark & SUCCEEDED:
            self.sums.succeeded += times
        if mark & REVIEWED:
            self.sums.reviewed += times
        if mark & (DEPLOYED_BADLY | DEPLOYED_WELL):
            self.sums.deployed += times
        if mark & DEPLOYED_WELL:
            self.sums.deployed_well += times

    cdef int figures(self, Hour* hour) except -1:
        """What the window shows."""
        cdef Py_ssize_t n = self.stop - self.first
        cdef Sums* sums = &self.sums
        hour.n = n
        hour.mean_s = hour.success_rate = hour.reviews = hour.median_s = hour.deployed_rate = NAN
        if not n:
            return 0
        hour.mean_s = ratio(sums.total_ns, <int128>n * NS)
        hour.success_rate = <double>sums.succeeded / <double>n
        if sums.reviewed:
            hour.reviews = ratio(sums.reviews, sums.reviewed)
        hour.median_s = ratio(self.median_ns2(n), 2 * NS)
        if sums.deployed:
            hour.deployed_rate = <double>sums.deployed_well / <double>sums.deployed
        return 0

    cdef int128 median_ns2(self, Py_ssize_t n) except -1:
        """Twice the median in ns. An order is kept only of windows that are not small."""
        cdef int64_t few[RANK_ABOVE]
        cdef const int64_t* ranked = few
        cdef Py_ssize_t i, at
        cdef int64_t duration
        if self.is_ranked and n <= RANK_ABOVE // 2:
            free(self.ranked.at)
            self.ranked = Longs(NULL, 0, 0)
            self.is_ranked = False
        if not self.is_ranked and n > RANK_ABOVE:
            for i in range(self.first, self.stop):
                insert(&self.ranked, self.finishes[i].duration_ns)
            self.is_ranked = True
        if self.is_ranked:
            ranked = self.ranked.at
        else:
            for i in range(n):
                duration = self.finishes[self.first + i].duration_ns
                at = i
                while at and few[at - 1] > duration:
                    few[at] = few[at - 1]
                    at -= 1
                few[at] = duration
        return <int128>ranked[n >> 1] + ranked[(n - 1) >> 1]

    cdef int forget(self, int64_t kept_from_ms) except -1:
        """Drop what is at or before ``kept_from_ms``; half as much again may then come in."""
        cdef Py_ssize_t count = self.finishes_until(kept_from_ms), kept = 0, i
        cdef int64_t last = self.newest_between(kept_from_ms)
        if count:
            if self.first < count:
                self.leave(self.first, min(count, self.stop))
                self.first, self.stop = count, max(count, self.stop)
            self.n -= count
            memmove(self.finishes, self.finishes + count, self.n * sizeof(Finish))
            self.first -= count
            self.stop -= count
        self.forgotten_finish_ms = max(self.forgotten_finish_ms, last)
        drop(&self.late, kept_from_ms)
        for i in range(self.ended_n):
            if self.ended[i].when >> 1 > kept_from_ms:
                self.ended[kept] = self.ended[i]
                kept += 1
        self.ended_n = kept
        self.ended_room_at = max(<Py_ssize_t>ROOM, kept * 3 // 2)
        return 0

    # Ended tasks

    cdef Py_ssize_t ended_at(self, int64_t key) noexcept:
        cdef Py_ssize_t low = 0, high = self.ended_n, mid
        while low < high:
            mid = (low + high) >> 1
            if self.ended[mid].key < key:
                low = mid + 1
            else:
                high = mid
        return low

    cdef bint has_ended(self, Py_ssize_t at, int64_t key) noexcept:
        return at < self.ended_n and self.ended[at].key == key

    cdef bint end_finished(self, int64_t key, int64_t time_ms, int64_t after_ms) except -1:
        """``Ended.finish``."""
        cdef Py_ssize_t at = self.ended_at(key)
        cdef int64_t when
        if self.has_ended(at, key):
            when = self.ended[at].when
            if when & 1 and when >> 1 > after_ms:
                return False
            if time_ms > after_ms:
                self.ended[at].when = time_ms << 1 | 1
        elif time_ms > after_ms:
            self.end_at(at, End(key, time_ms << 1 | 1))
        return True

    cdef int end_cancelled(self, int64_t key, int64_t time_ms, int64_t after_ms) except -1:
        """``Ended.cancel``."""
        cdef Py_ssize_t at = self.ended_at(key)
        if time_ms <= after_ms:
            return 0
        if not self.has_ended(at, key):
            self.end_at(at, End(key, time_ms << 1))
        elif self.ended[at].when >> 1 <= after_ms:
            self.ended[at].when = time_ms << 1
        return 0

    cdef int end_at(self, Py_ssize_t at, End end) except -1:
        self.ended = <End*>grown(self.ended, self.ended_n, &self.ended_room, sizeof(End))
        memmove(self.ended + at + 1, self.ended + at, (self.ended_n - at) * sizeof(End))
        self.ended[at] = end
        self.ended_n += 1
        return 0

    # Tasks in flight

    cdef Py_ssize_t flight_at(self, int64_t key) noexcept:
        cdef Py_ssize_t low = 0, high = self.flights_n, mid
        while low < high:
            mid = (low + high) >> 1
            if self.flights[mid].key < key:
                low = mid + 1
            else:
                high = mid
        return low

    cdef bint flies(self, Py_ssize_t at, int64_t key) noexcept:
        return at < self.flights_n and self.flights[at].key == key

    cdef int fly(self, int64_t key, int64_t started_ms, int64_t after_ms) except -1:
        """``Flights.add``."""
        cdef Longs* times = &self.flight_times
        cdef Py_ssize_t at, i, kept = 0
        if times.n >= 16 and times.at[times.n >> 1] <= after_ms:
            for i in range(self.flights_n):
                if self.flights[i].started_ms > after_ms:
                    self.flights[kept] = self.flights[i]
                    kept += 1
            self.flights_n = kept
            drop(times, after_ms)
        self.land(key)
        self.flights = <Flight*>grown(
            self.flights, self.flights_n, &self.flights_room, sizeof(Flight)
        )
        insert(times, started_ms)
        at = self.flight_at(key)
        memmove(self.flights + at + 1, self.flights + at, (self.flights_n - at) * sizeof(Flight))
        self.flights[at] = Flight(key, started_ms)
        self.flights_n += 1
        return 0

    cdef void land(self, int64_t key) noexcept:
        """``Flights.remove``."""
        cdef Py_ssize_t at = self.flight_at(key)
        if self.flies(at, key):
            remove(&self.flight_times, self.flights[at].started_ms)
            self.flights_n -= 1
            memmove(self.flights + at, self.flights + at + 1, (self.flights_n - at) * sizeof(Flight))

    cdef int64_t flights_between(self, int64_t after_ms, int64_t until_ms) noexcept:
        cdef Longs* times = &self.flight_times
        cdef int64_t count
        if not times.n:
            return 0
        count = above(times.at, times.n, until_ms) - above(times.at, times.n, after_ms)
        return max(count, 0)

    # The last runs

    cdef int remember(self, str task_type, int64_t run) except -1:
        """``History.add``."""
        cdef _Runs same = self.by_type.get(task_type)
        if same is None or len(self.by_type) >= MAX_TYPES:
            same = self.by_type.pop(task_type, None)
            if same is None:
                same = _Runs()
                if len(self.by_type) >= MAX_TYPES:
                    del self.by_type[next(iter(self.by_type))]
            self.by_type[intern(task_type)] = same
        self.overall.add(run)
        same.add(run)
        return 0

    # Snapshots

    def columns(self):
        cdef Py_ssize_t i
        cdef _Runs runs
        cdef bytes times = PyBytes_FromStringAndSize(NULL, self.n * sizeof(int64_t))
        cdef bytes durations = PyBytes_FromStringAndSize(NULL, self.n * sizeof(int64_t))
        cdef bytes marks = PyBytes_FromStringAndSize(NULL, self.n * sizeof(int32_t))
        cdef bytes ends = PyBytes_FromStringAndSize(NULL, self.ended_n * sizeof(int64_t))
        cdef bytes whens = PyBytes_FromStringAndSize(NULL, self.ended_n * sizeof(int64_t))
        cdef bytes flights = PyBytes_FromStringAndSize(NULL, self.flights_n * sizeof(int64_t))
        cdef bytes starts = PyBytes_FromStringAndSize(NULL, self.flights_n * sizeof(int64_t))
        for i in range(self.n):
            (<int64_t*>PyBytes_AS_STRING(times))[i] = self.finishes[i].time_ms
            (<int64_t*>PyBytes_AS_STRING(durations))[i] = self.finishes[i].duration_ns
            (<int32_t*>PyBytes_AS_STRING(marks))[i] = self.finishes[i].mark
        for i in range(self.ended_n):
            (<int64_t*>PyBytes_AS_STRING(ends))[i] = self.ended[i].key
            (<int64_t*>PyBytes_AS_STRING(whens))[i] = self.ended[i].when
        for i in range(self.flights_n):
            (<int64_t*>PyBytes_AS_STRING(flights))[i] = self.flights[i].key
            (<int64_t*>PyBytes_AS_STRING(starts))[i] = self.flights[i].started_ms
        by_type = []
        for task_type, same in self.by_type.items():
            runs = same
            by_type.append((task_type, runs.written()))
        return Columns(
            self.newest_ms,
            self.appended_ms,
            self.forgotten_finish_ms,
            self.shown,
            self.due_minute,
            self.ended_room_at,
            times,
            durations,
            marks,
            longs_bytes(self.late.at, self.late.n),
            ends,
            whens,
            flights,
            starts,
            self.overall.written(),
            by_type,
        )

    @classmethod
    def restored(cls, columns):
        cdef Agent agent = Agent(columns.newest_ms, columns.appended_ms)
        agent.forgotten_finish_ms = columns.forgotten_finish_ms
        agent.shown, agent.due_minute = columns.shown, columns.due_minute
        agent.ended_room_at = columns.room
        agent.read_window(columns.times, columns.durations, columns.marks)
        agent.read_late(columns.late)
        agent.read_ended(columns.ended_keys, columns.ended_whens)
        agent.read_flights(columns.flight_keys, columns.flight_times)
        agent.overall = runs_of(columns.overall)
        agent.by_type = {intern(name): runs_of(ring) for name, ring in columns.by_type}
        return agent

    cdef int read_late(self, bytes times) except -1:
        read_longs(&self.late, times)
        check_within(self.late.at, self.late.n, TIMES_END)
        check_ascending(self.late.at, self.late.n, False)
        return 0

    cdef int read_window(self, bytes times, bytes durations, bytes marks) except -1:
        cdef Py_ssize_t n = PyBytes_GET_SIZE(marks) // sizeof(int32_t), i
        cdef Py_ssize_t size = n * sizeof(int64_t)
        if (
            PyBytes_GET_SIZE(times) != size
            or PyBytes_GET_SIZE(durations) != size
            or PyBytes_GET_SIZE(marks) != n * <Py_ssize_t>sizeof(int32_t)
        ):
            raise ValueError("columns of a window of different lengths")
        if not n:
            return 0
        check_within(<const int64_t*>PyBytes_AS_STRING(times), n, TIMES_END)
        check_ascending(<const int64_t*>PyBytes_AS_STRING(times), n, False)
        check_within(<const int64_t*>PyBytes_AS_STRING(durations), n, DURATIONS_END)
        for i in range(n):
            if (<const int32_t*>PyBytes_AS_STRING(marks))[i] < 0:
                raise ValueError("a column has a number outside its bounds")
        self.finishes = <Finish*>realloc(NULL, n * sizeof(Finish))
        if self.finishes == NULL:
            raise MemoryError
        self.n = self.room = n
        for i in range(n):
            self.finishes[i] = Finish(
                (<const int64_t*>PyBytes_AS_STRING(times))[i],
                (<const int64_t*>PyBytes_AS_STRING(durations))[i],
                (<const int32_t*>PyBytes_AS_STRING(marks))[i],
            )
        return 0

    cdef int read_ended(self, bytes keys, bytes whens) except -1:
        cdef Py_ssize_t n = PyBytes_GET_SIZE(keys) // sizeof(int64_t), i
        if PyBytes_GET_SIZE(whens) != PyBytes_GET_SIZE(keys):
            raise ValueError("columns of ended tasks of different lengths")
        if PyBytes_GET_SIZE(keys) % <Py_ssize_t>sizeof(int64_t):
            raise ValueError("a column is no whole number of integers")
        check_ascending(<const int64_t*>PyBytes_AS_STRING(keys), n, True)
        check_within(<const int64_t*>PyBytes_AS_STRING(whens), n, 2 * TIMES_END)
        for i in range(n):
            self.end_at(
                i,
                End(
                    (<const int64_t*>PyBytes_AS_STRING(keys))[i],
                    (<const int64_t*>PyBytes_AS_STRING(whens))[i],
                ),
            )
        return 0

    cdef int read_flights(self, bytes keys, bytes starts) except -1:
        cdef Py_ssize_t n = PyBytes_GET_SIZE(keys) // sizeof(int64_t), i
        if PyBytes_GET_SIZE(starts) != PyBytes_GET_SIZE(keys):
            raise ValueError("columns of tasks in flight of different lengths")
        if PyBytes_GET_SIZE(keys) % <Py_ssize_t>sizeof(int64_t):
            raise ValueError("a column is no whole number of integers")
        check_ascending(<const int64_t*>PyBytes_AS_STRING(keys), n, True)
        check_within(<const int64_t*>PyBytes_AS_STRING(starts), n, TIMES_END)
        for i in range(n):
            self.fly(
                (<const int64_t*>PyBytes_AS_STRING(keys))[i],
                (<const int64_t*>PyBytes_AS_STRING(starts))[i],
                -FLIGHT_MS,
            )
        return 0


cdef void drop(Longs* longs, int64_t until) noexcept:
    """Drop all that are at most ``until``."""
    cdef Py_ssize_t count = above(longs.at, longs.n, until)
    if not count:
        return
    longs.n -= count
    memmove(longs.at, longs.at + count, longs.n * sizeof(int64_t))


cdef tuple figures_of(const Hour* hour):
    return (
        hour.n,
        known_or_none(hour.mean_s),
        known_or_none(hour.success_rate),
        known_or_none(hour.reviews),
        known_or_none(hour.median_s),
        known_or_none(hour.deployed_rate),
    )


cdef tuple averages_of(const Averages* runs):
    return (runs.n, known_or_none(runs.mean_s), known_or_none(runs.success_rate))


cdef int32_t mark_of(bint succeeded, int64_t reviews, int deployed) noexcept:
    """``window.mark``; what is not told is ``UNKNOWN``."""
    cdef int32_t code = SUCCEEDED if succeeded else 0
    if deployed != UNKNOWN:
        code |= DEPLOYED_WELL if deployed else DEPLOYED_BADLY
    if reviews == UNKNOWN:
        return code
    return <int32_t>reviews << MARK_BITS | code | REVIEWED
