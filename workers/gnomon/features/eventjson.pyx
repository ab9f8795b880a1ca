# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Task events as clients write them, read in C: by far the most of all.

An event is in the usual form if its fields are in their order, without a space between them, none of
them null or sealed, and plain ASCII within the bounds of ``gnomon.events``. All others, and all that
are wrong, are left to ``codec.decode_task_event``, which says what an event is.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.math cimport INFINITY, NAN, isnan
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memset, strlen

from gnomon.features.names cimport Slice, name_of
from gnomon.features.native cimport UNKNOWN
from gnomon.packed.records cimport PackedRecords, Record

import msgspec

from gnomon import codec
from gnomon.events import ContextValue, TaskCancelled, TaskFinished, TaskStarted
from gnomon.topics import MAX_EVENT_BYTES as _MAX_EVENT_BYTES

cdef enum:
    MAX_ID = 256
    MAX_PRODUCER_ID = 64
    MAX_TRACEPARENT = 55
    # As many digits after the point as a power of ten is a double for.
    MAX_PLACES = 22
cdef Py_ssize_t MAX_EVENT_BYTES = _MAX_EVENT_BYTES
cdef int64_t TIMES_END = 253_402_300_800_000
cdef int64_t COUNTS_END = 100_000_001
cdef int64_t EXACT = 1 << 53
cdef double MAX_DURATION_S = 9_000_000.0
cdef double TENS[MAX_PLACES + 1]
cdef bint PLAIN[256]
cdef object _decode = codec.decode_task_event
cdef object _decode_context = msgspec.json.Decoder(dict[str, ContextValue]).decode
UNDECODABLE = codec.UNDECODABLE


cdef void _fill_tables() noexcept:
    cdef int i
    for i in range(256):
        PLAIN[i] = 0x20 <= i < 0x80 and i != c'"' and i != c"\\"
    TENS[0] = 1.0
    for i in range(MAX_PLACES):
        TENS[i + 1] = TENS[i] * 10.0


_fill_tables()


# The batch --------------------------------------------------------------------------------------


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
        """The ``seq`` of all events that say who sent them, in their order, by ``producer_id``."""
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

    def seen(self, Py_ssize_t at):
        """What the loop is told of an event, for tests; the first says whether it was read in C."""
        cdef const Event* event = &self.items[at]
        context = <object>event.context if event.context != NULL else {}
        said = [event.at_ms, event.seq, event.reviews, event.deployed, event.succeeded]
        said += text_of(&event.agent_id), text_of(&event.task_id), text_of(&event.task_type)
        said.append(text_of(&event.producer_id))
        for number in (event.duration_s, event.estimate_s):
            said.append(None if isnan(number) else number)
        return event.whole == NULL, event.kind, said, context

    cdef Event* add(self, int64_t timestamp_ms) noexcept:
        """The next; there is room for as many as were reserved."""
        cdef Event* event = &self.items[self.n]
        self.n += 1
        blank(event, timestamp_ms)
        return event

    cdef int reserve(self, Py_ssize_t n) except -1:
        self.items = held(n, &self.room)
        if self.items == NULL:
            raise MemoryError
        return 0

    cdef int read(self, const char* value, Py_ssize_t n, int64_t timestamp_ms) except -1:
        """Take in one that is written."""
        cdef Event* event = self.add(timestamp_ms)
        if n > MAX_EVENT_BYTES:
            raise msgspec.DecodeError(f"{n} bytes are too many")
        event.value = Slice(value, n)
        if not usual(event):
            Py_XDECREF(event.context)
            blank(event, timestamp_ms)
            take(event, _decode(PyBytes_FromStringAndSize(value, n)))
        return 0


# The memory of the last batch is kept for the next: new memory costs page faults.
cdef enum:
    SPARE_EVENTS = 1 << 15

cdef Event* _spare = NULL
cdef Py_ssize_t _spare_room = 0


cdef Event* held(Py_ssize_t n, Py_ssize_t* room) noexcept:
    """Memory for ``n``; NULL if there is none."""
    global _spare, _spare_room
    cdef Event* found = _spare
    if n <= _spare_room:
        room[0] = _spare_room
        _spare, _spare_room = NULL, 0
        return found
    room[0] = n
    return <Event*>malloc(max(n, <Py_ssize_t>1) * sizeof(Event))


cdef void release(Event* items, Py_ssize_t room) noexcept:
    global _spare, _spare_room
    if _spare_room < room <= SPARE_EVENTS:
        free(_spare)
        _spare, _spare_room = items, room
    else:
        free(items)


cdef object text_of(const Slice* slice):
    return slice.at[: slice.n].decode() if slice.n else None


cdef inline void blank(Event* event, int64_t timestamp_ms) noexcept:
    memset(event, 0, sizeof(Event))
    event.timestamp_ms = timestamp_ms
    event.seq = event.reviews = event.deployed = UNKNOWN
    event.duration_s = event.estimate_s = NAN


def decode(records):
    """All events in ``records``: a sequence of them, that a loop in C reads without objects.

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
                raise TypeError("an event is of bytes")
            events.read(record.value, record.value_n, record.timestamp_ms)
        return events
    events.owner = values = [one.value for one in records]
    for value, one in zip(values, records):
        if value is None:
            raise TypeError("an event is of bytes")
        events.read(PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value), one.timestamp)
    return events


cdef Events events_of(object records, object events):
    """The same of events that are objects."""
    cdef Events packed
    if type(events) is Events:
        return events
    packed = Events()
    packed.reserve(len(events))
    for record, event in zip(records, events):
        take(packed.add(record.timestamp), event)
    return packed


# An object --------------------------------------------------------------------------------------


cdef int take(Event* into, object event) except -1:
    """What the loop is told of ``event``, which is kept for its strings."""
    if type(event) not in (TaskStarted, TaskFinished, TaskCancelled):
        raise TypeError(f"{type(event).__name__} is no task event")
    Py_INCREF(event)
    into.whole = <PyObject*>event
    take_string(&into.agent_id, event.agent_id)
    take_string(&into.task_id, event.task_id)
    if event.seq is not None and event.producer_id is not None:
        take_string(&into.producer_id, event.producer_id)
        into.seq = event.seq
    if type(event) is TaskCancelled:
        into.kind, into.at_ms = CANCELLED, event.cancelled_at_ms
        return 0
    take_string(&into.task_type, event.task_type)
    if event.estimate_s is not None:
        into.estimate_s = event.estimate_s
    if type(event) is TaskStarted:
        into.kind, into.at_ms = STARTED, event.started_at_ms
        put(&into.context, event.context)
        return 0
    into.kind, into.at_ms = FINISHED, event.finished_at_ms
    into.duration_s, into.succeeded = event.duration_s, event.succeeded
    if event.code_review_iterations is not None:
        into.reviews = event.code_review_iterations
    if event.deployment_succeeded is not None:
        into.deployed = event.deployment_succeeded
    return 0


cdef inline int take_string(Slice* into, str value) except -1:
    into.at = PyUnicode_AsUTF8AndSize(value, &into.n)
    return 0


# The usual form ---------------------------------------------------------------------------------


cdef struct Cursor:
    const char* at
    const char* end


cdef inline bint literal(Cursor* text, const char* wanted) noexcept:
    """Whether ``wanted`` comes next; passed if it does."""
    cdef size_t n = strlen(wanted)
    if <size_t>(text.end - text.at) < n or memcmp(text.at, wanted, n):
        return False
    text.at += n
    return True


cdef inline bint put(PyObject** into, object value) noexcept:
    """Keep ``value``, if it is not empty and somebody wants it."""
    if into != NULL and value:
        Py_INCREF(value)
        into[0] = <PyObject*>value
    return True


cdef inline bint refuse(Cursor* text) noexcept:
    """Nothing comes next any more."""
    text.at = text.end
    return False


# Each of these answers whether what it is for comes next, behind its name; it is passed then. Where
# the name is there but not such a value, the whole of the text is refused.


cdef bint string(Cursor* text, const char* name, Py_ssize_t most, Slice* into) noexcept:
    if not literal(text, name):
        return False
    into.at = text.at
    while text.at < text.end and PLAIN[<unsigned char>text.at[0]]:
        text.at += 1
    into.n = text.at - into.at
    return True if 0 < into.n <= most and literal(text, b'"') else refuse(text)


cdef bint whole(Cursor* text, const char* name, int64_t end, int64_t* into) noexcept:
    cdef const char* begin
    cdef int64_t value = 0
    if not literal(text, name):
        return False
    begin = text.at
    while text.at < text.end and c"0" <= text.at[0] <= c"9" and value < end:
        value = value * 10 + (text.at[0] - c"0")
        text.at += 1
    if text.at == begin or value >= end or (begin[0] == c"0" and text.at - begin > 1):
        return refuse(text)
    into[0] = value
    return True


cdef bint seconds(Cursor* text, const char* name, double most, double* into) noexcept:
    """A number with a point, so few digits that one division rounds it as it is to be rounded."""
    cdef const char* begin
    cdef const char* point = NULL
    cdef int64_t digits = 0
    if not literal(text, name):
        return False
    begin = text.at
    while text.at < text.end and digits < EXACT:
        if c"0" <= text.at[0] <= c"9":
            digits = digits * 10 + (text.at[0] - c"0")
        elif text.at[0] == c"." and point == NULL:
            point = text.at
        else:
            break
        text.at += 1
    if point == NULL or point == begin or point + 1 == text.at or digits >= EXACT:
        return refuse(text)
    if (begin[0] == c"0" and point - begin > 1) or text.at - point - 1 > MAX_PLACES:
        return refuse(text)
    into[0] = <double>digits / TENS[text.at - point - 1]
    return True if into[0] <= most else refuse(text)


cdef bint truth(Cursor* text, const char* name, int* into) noexcept:
    if not literal(text, name):
        return False
    if literal(text, b"true"):
        into[0] = 1
    elif literal(text, b"false"):
        into[0] = 0
    else:
        return refuse(text)
    return True


cdef bint dictionary(Cursor* text, const char* name, PyObject** into) except -1:
    """A flat one, which msgspec decodes."""
    cdef const char* begin = text.at + strlen(name)
    cdef bint quoted = False
    if not literal(text, name):
        return False
    while text.at < text.end and (quoted or text.at[0] != c"}"):
        if text.at[0] == c'"':
            quoted = not quoted
        text.at += 2 if text.at[0] == c"\\" else 1
    if text.at >= text.end:
        return refuse(text)
    text.at += 1
    try:
        return put(into, _decode_context(PyBytes_FromStringAndSize(begin, text.at - begin)))
    except UNDECODABLE:
        return refuse(text)


cdef bint sent_by(Cursor* text, Event* into) noexcept:
    """The last three fields of both kinds, and the end."""
    cdef Slice traceparent
    if not literal(text, b"}"):
        string(text, b',"traceparent":"', MAX_TRACEPARENT, &traceparent)
        string(text, b',"producer_id":"', MAX_PRODUCER_ID, &into.producer_id)
        whole(text, b',"seq":', EXACT, &into.seq)
        if not literal(text, b"}"):
            return False
    return text.at == text.end


cdef bint started(Cursor* text, Event* into) except -1:
    into.kind = STARTED
    if not (
        string(text, b',"agent_id":"', MAX_ID, &into.agent_id)
        and string(text, b',"task_id":"', MAX_ID, &into.task_id)
        and string(text, b',"task_type":"', MAX_ID, &into.task_type)
        and whole(text, b',"started_at_ms":', TIMES_END, &into.at_ms)
    ):
        return False
    seconds(text, b',"estimate_s":', INFINITY, &into.estimate_s)
    dictionary(text, b',"context":', &into.context)
    return sent_by(text, into)


cdef bint finished(Cursor* text, Event* into) except -1:
    cdef int64_t started_at_ms
    cdef Slice error_type
    into.kind = FINISHED
    if not (
        string(text, b',"agent_id":"', MAX_ID, &into.agent_id)
        and string(text, b',"task_id":"', MAX_ID, &into.task_id)
        and string(text, b',"task_type":"', MAX_ID, &into.task_type)
        and whole(text, b',"started_at_ms":', TIMES_END, &started_at_ms)
        and whole(text, b',"finished_at_ms":', TIMES_END, &into.at_ms)
        and seconds(text, b',"duration_s":', MAX_DURATION_S, &into.duration_s)
        and truth(text, b',"succeeded":', &into.succeeded)
    ):
        return False
    if into.at_ms < started_at_ms:
        return False
    whole(text, b',"code_review_iterations":', COUNTS_END, &into.reviews)
    truth(text, b',"deployment_succeeded":', &into.deployed)
    string(text, b',"error_type":"', MAX_ID, &error_type)
    seconds(text, b',"estimate_s":', INFINITY, &into.estimate_s)
    dictionary(text, b',"context":', NULL)
    dictionary(text, b',"outcome":', NULL)
    return sent_by(text, into)


cdef bint usual(Event* event) except -1:
    """Whether ``event.value`` is in the usual form; read, if it is."""
    cdef Cursor text = Cursor(event.value.at, event.value.at + event.value.n)
    if literal(&text, b'{"kind":"task_started.v1"'):
        return started(&text, event)
    if literal(&text, b'{"kind":"task_finished.v1"'):
        return finished(&text, event)
    return False
