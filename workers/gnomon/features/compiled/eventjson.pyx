# cython: language_level=3
"""Task events as clients write them, read in C: by far the most of all.

An event is in the usual form if its fields are in their order, without a space between them, none of
them null or sealed, and plain ASCII within the bounds of ``gnomon.events``. All others, and all that
are wrong, are left to ``codec.decode_task_event``, which says what an event is.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from libc.math cimport INFINITY
from libc.stdint cimport int64_t
from libc.string cimport memcmp, strlen

from gnomon.features.compiled.names cimport Slice
from gnomon.features.compiled.packedevents cimport FINISHED, STARTED, Event

import msgspec

from gnomon import codec
from gnomon.events import ContextValue

cdef enum:
    MAX_ID = 256
    MAX_PRODUCER_ID = 64
    MAX_TRACEPARENT = 55
    # As many digits after the point as a power of ten is a double for.
    MAX_PLACES = 22
cdef int64_t TIMES_END = 253_402_300_800_000
cdef int64_t COUNTS_END = 100_000_001
cdef int64_t EXACT = 1 << 53
cdef double MAX_DURATION_S = 9_000_000.0
cdef double TENS[MAX_PLACES + 1]
cdef bint PLAIN[256]
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
