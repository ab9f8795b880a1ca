# cython: language_level=3
"""A decoder in C for task events in canonical form, in which nearly all clients write them.

An event is canonical if its fields are in the order of ``gnomon.events``, without spaces, none of
them null or sealed, plain ASCII, and within the bounds of ``gnomon.events``. All other bytes, valid
or not, are left to ``codec.decode_task_event``.
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
from gnomon.events import ContextValue, TaskFinished


def _bounds(struct):
    """The type of each field of ``struct``, which holds its bounds, by name."""
    return {field.name: _bounded(field.type) for field in msgspec.inspect.type_info(struct).fields}


def _bounded(kind):
    if isinstance(kind, msgspec.inspect.Metadata):
        return _bounded(kind.type)
    if isinstance(kind, msgspec.inspect.UnionType):
        return _bounded(kind.types[0])
    return kind


_finished = _bounds(TaskFinished)
cdef Py_ssize_t MAX_ID = _finished["agent_id"].max_length
cdef Py_ssize_t MAX_ERROR_TYPE = _finished["error_type"].max_length
cdef Py_ssize_t MAX_PRODUCER_ID = _finished["producer_id"].max_length
cdef Py_ssize_t MAX_TENANT = _finished["tenant"].max_length
cdef Py_ssize_t MAX_TRACEPARENT = _finished["traceparent"].max_length
cdef int64_t TIMES_END = _finished["started_at_ms"].lt
cdef int64_t REVIEWS_END = _finished["code_review_iterations"].le + 1
cdef int64_t SEQ_END = _finished["seq"].lt
cdef double MAX_DURATION_S = _finished["duration_s"].le
cdef int64_t EXACT = 1 << 53
cdef enum:
    # The largest power of ten that is exactly a double.
    MAX_PLACES = 22
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
    """Whether the text goes on with ``wanted``; if so, the cursor moves behind it."""
    cdef size_t n = strlen(wanted)
    if <size_t>(text.end - text.at) < n or memcmp(text.at, wanted, n):
        return False
    text.at += n
    return True


cdef inline bint keep(PyObject** into, object value) noexcept:
    """Keep a reference to ``value`` in ``into``, unless that is NULL or ``value`` is empty."""
    if into != NULL and value:
        Py_INCREF(value)
        into[0] = <PyObject*>value
    return True


cdef inline bint refuse(Cursor* text) noexcept:
    """Move the cursor to the end, so that no field is found there."""
    text.at = text.end
    return False


# Each of these functions reads one field if the text goes on with its key, ``name``, and returns
# whether it did. If the key is there without a valid value, the whole text is refused.


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
    """A number with a point and so few digits that one division rounds it correctly."""
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
    """A flat dictionary, which msgspec decodes."""
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
        return keep(into, _decode_context(PyBytes_FromStringAndSize(begin, text.at - begin)))
    except UNDECODABLE:
        return refuse(text)


cdef bint last_fields(Cursor* text, Event* into) noexcept:
    """The last four fields of both kinds, and the end of the text."""
    cdef Slice tenant
    if not literal(text, b"}"):
        string(text, b',"traceparent":"', MAX_TRACEPARENT, &into.traceparent)
        string(text, b',"tenant":"', MAX_TENANT, &tenant)
        string(text, b',"producer_id":"', MAX_PRODUCER_ID, &into.producer_id)
        whole(text, b',"seq":', SEQ_END, &into.seq)
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
    return last_fields(text, into)


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
    whole(text, b',"code_review_iterations":', REVIEWS_END, &into.reviews)
    truth(text, b',"deployment_succeeded":', &into.deployed)
    string(text, b',"error_type":"', MAX_ERROR_TYPE, &error_type)
    seconds(text, b',"estimate_s":', INFINITY, &into.estimate_s)
    dictionary(text, b',"context":', NULL)
    dictionary(text, b',"outcome":', NULL)
    return last_fields(text, into)


cdef bint read_canonical(Event* event) except -1:
    """Read the fields of ``event.value``; False if it is not canonical."""
    cdef Cursor text = Cursor(event.value.at, event.value.at + event.value.n)
    if literal(&text, b'{"kind":"task_started.v1"'):
        return started(&text, event)
    if literal(&text, b'{"kind":"task_finished.v1"'):
        return finished(&text, event)
    return False
