# cython: language_level=3
"""The events of a batch as C structs: their numbers, and pointers to their strings.

Canonical events are decoded by ``eventjson``. All others are decoded by msgspec, and their objects
are kept, because the pointers lead to the strings of the object.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.math cimport NAN, isnan
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from gnomon.features.compiled.eventjson cimport read_canonical
from gnomon.features.compiled.names cimport Slice, name_of
from gnomon.features.compiled.records cimport PackedRecords, Record
from gnomon.features.compiled.window cimport UNKNOWN

import msgspec

from gnomon import codec
from gnomon.events import TaskCancelled, TaskFinished, TaskStarted
from gnomon.topics import MAX_EVENT_BYTES as _MAX_EVENT_BYTES

cdef Py_ssize_t MAX_EVENT_BYTES = _MAX_EVENT_BYTES
cdef object _decode = codec.decode_task_event


cdef class Events:
    def __dealloc__(self):
        cdef Py_ssize_t at
        for at in range(self.n):
            Py_XDECREF(self.items[at].context)
            Py_XDECREF(self.items[at].whole)
        release(self.items, self.room)

    def __len__(self):
        return self.n

    def __getitem__(self, Py_ssize_t at):
        cdef const Event* event
        if at < 0:
            at += self.n
        if not 0 <= at < self.n:
            raise IndexError(f"there are {self.n} events")
        event = &self.items[at]
        if event.whole != NULL:
            return <object>event.whole
        return _decode(PyBytes_FromStringAndSize(event.value.at, event.value.n))

    def seqs_by_producer(self):
        """The ``seq`` of each event that names its producer, in log order, by ``producer_id``."""
        cdef Py_ssize_t at
        cdef const Event* event
        cdef list seqs
        cdef dict found = {}
        for at in range(self.n):
            event = &self.items[at]
            if event.seq != UNKNOWN and event.producer_id.n:
                name = name_of(&event.producer_id)
                seqs = found.get(name)
                if seqs is None:
                    seqs = found[name] = []
                seqs.append(event.seq)
        return found

    def fields(self, Py_ssize_t at):
        """For tests: whether the event was decoded in C, its kind, its fields and its context."""
        cdef const Event* event = &self.items[at]
        context = <object>event.context if event.context != NULL else {}
        values = [event.at_ms, event.seq, event.reviews, event.deployed, event.succeeded]
        values += text_of(&event.agent_id), text_of(&event.task_id), text_of(&event.task_type)
        values.append(text_of(&event.producer_id))
        for number in (event.duration_s, event.estimate_s):
            values.append(None if isnan(number) else number)
        return event.whole == NULL, event.kind, values, context

    cdef Event* add(self, int64_t timestamp_ms) noexcept:
        """Append an event; there must be room for it."""
        cdef Event* event = &self.items[self.n]
        self.n += 1
        reset(event, timestamp_ms)
        return event

    cdef int reserve(self, Py_ssize_t n) except -1:
        self.items = acquire(n, &self.room)
        if self.items == NULL:
            raise MemoryError
        return 0

    cdef int read(self, const char* value, Py_ssize_t n, int64_t timestamp_ms) except -1:
        """Append the event that is encoded in ``value``."""
        cdef Event* event = self.add(timestamp_ms)
        if n > MAX_EVENT_BYTES:
            raise msgspec.DecodeError(f"{n} bytes are too many")
        event.value = Slice(value, n)
        if not read_canonical(event):
            Py_XDECREF(event.context)
            reset(event, timestamp_ms)
            fill(event, _decode(PyBytes_FromStringAndSize(value, n)))
        return 0


# The memory of the last batch is kept for the next: new memory costs page faults.
cdef enum:
    SPARE_EVENTS = 1 << 15

cdef Event* _spare = NULL
cdef Py_ssize_t _spare_room = 0


cdef Event* acquire(Py_ssize_t n, Py_ssize_t* room) noexcept:
    """Memory for ``n`` events; NULL if there is none."""
    global _spare, _spare_room
    cdef Event* found = _spare
    if found != NULL and n <= _spare_room:
        room[0] = _spare_room
        _spare, _spare_room = NULL, 0
        return found
    room[0] = n
    return <Event*>malloc(max(n, <Py_ssize_t>1) * sizeof(Event))


cdef void release(Event* items, Py_ssize_t room) noexcept:
    """Keep the memory for the next batch, or free it."""
    global _spare, _spare_room
    if _spare_room < room <= SPARE_EVENTS:
        free(_spare)
        _spare, _spare_room = items, room
    else:
        free(items)


cdef object text_of(const Slice* slice):
    return slice.at[: slice.n].decode() if slice.n else None


cdef inline void reset(Event* event, int64_t timestamp_ms) noexcept:
    memset(event, 0, sizeof(Event))
    event.timestamp_ms = timestamp_ms
    event.seq = event.reviews = event.deployed = UNKNOWN
    event.duration_s = event.estimate_s = NAN


def decode(records):
    """Decode all events in ``records`` into a sequence that C reads without objects.

    Raises:
        Exception: What ``codec.decode_all`` raises.
    """
    cdef Events events = Events()
    cdef PackedRecords packed
    cdef const Record* record
    cdef Py_ssize_t at
    cdef bytes value
    events.owner = records
    events.reserve(len(records))
    if type(records) is PackedRecords:
        packed = records
        for at in range(packed.n):
            record = &packed.items[at]
            if record.value == NULL:
                raise TypeError("an event must be bytes")
            events.read(record.value, record.value_n, record.timestamp_ms)
        return events
    events.owner = values = [one.value for one in records]
    for value, one in zip(values, records):
        if value is None:
            raise TypeError("an event must be bytes")
        events.read(PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value), one.timestamp)
    return events


cdef Events events_of(object records, object events):
    """``events`` as ``Events``; the records give the timestamps."""
    cdef Events packed
    if type(events) is Events:
        return events
    packed = Events()
    packed.reserve(len(events))
    for record, event in zip(records, events):
        fill(packed.add(record.timestamp), event)
    return packed


# An object --------------------------------------------------------------------------------------


cdef int fill(Event* into, object event) except -1:
    """Copy the fields of ``event`` and keep a reference to it, which owns the strings."""
    if type(event) not in (TaskStarted, TaskFinished, TaskCancelled):
        raise TypeError(f"{type(event).__name__} is no task event")
    Py_INCREF(event)
    into.whole = <PyObject*>event
    set_string(&into.agent_id, event.agent_id)
    set_string(&into.task_id, event.task_id)
    if event.seq is not None and event.producer_id is not None:
        set_string(&into.producer_id, event.producer_id)
        into.seq = event.seq
    if type(event) is TaskCancelled:
        into.kind, into.at_ms = CANCELLED, event.cancelled_at_ms
        return 0
    set_string(&into.task_type, event.task_type)
    if event.estimate_s is not None:
        into.estimate_s = event.estimate_s
    if type(event) is TaskStarted:
        into.kind, into.at_ms = STARTED, event.started_at_ms
        if event.context:
            Py_INCREF(event.context)
            into.context = <PyObject*>event.context
        if event.traceparent is not None:
            set_string(&into.traceparent, event.traceparent)
        return 0
    into.kind, into.at_ms = FINISHED, event.finished_at_ms
    into.duration_s, into.succeeded = event.duration_s, event.succeeded
    if event.code_review_iterations is not None:
        into.reviews = event.code_review_iterations
    if event.deployment_succeeded is not None:
        into.deployed = event.deployment_succeeded
    return 0


cdef inline int set_string(Slice* into, str value) except -1:
    into.at = PyUnicode_AsUTF8AndSize(value, &into.n)
    return 0
