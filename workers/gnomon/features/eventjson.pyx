# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Task events as clients write them, decoded in C: by far the most of all.

An event is in the usual form if its fields are in their order, without a space between them, none of
them null or sealed, and plain ASCII within the bounds of ``gnomon.events``. All others, and all that
are wrong, are left to ``codec.decode_task_event``, which says what an event is.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_CLEAR, Py_INCREF
from libc.math cimport INFINITY
from libc.stdint cimport int64_t
from libc.string cimport memcmp, memcpy, memset, strlen

from types import MemberDescriptorType

import msgspec

from gnomon import codec
from gnomon.events import (
    ContextValue, TaskFinished as _TaskFinished, TaskStarted as _TaskStarted,
)

cdef extern from *:
    """
    #include "structmember.h"
    #define gnomon_offset(descr) (((PyMemberDescrObject *)(descr))->d_member->offset)
    #define gnomon_is_object(descr) (((PyMemberDescrObject *)(descr))->d_member->type == T_OBJECT_EX)
    """
    Py_ssize_t gnomon_offset(object descr)
    bint gnomon_is_object(object descr)

cdef extern from "Python.h":
    object PyUnicode_New(Py_ssize_t size, Py_UCS4 maxchar)
    void* PyUnicode_DATA(object text)
    object PyType_GenericAlloc(PyTypeObject* cls, Py_ssize_t n)

cdef enum:
    MAX_ID = 256
    MAX_PRODUCER_ID = 64
    MAX_TRACEPARENT = 55
    MAX_FIELDS = 32
    # As many digits after the point as a power of ten is a double for.
    MAX_PLACES = 22
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


cdef Py_ssize_t offset(object cls, str name) except -1:
    """Where in an object of ``cls`` one of its fields lies."""
    descr = cls.__dict__[name]
    if type(descr) is not MemberDescriptorType or not gnomon_is_object(descr):
        raise ImportError(f"{cls.__name__}.{name} is no slot")
    return gnomon_offset(descr)


cdef struct Shape:
    PyTypeObject* cls
    int n
    int context, outcome  # which fields are dictionaries; -1 where there is none
    Py_ssize_t at[MAX_FIELDS]


cdef Shape shape(object cls) except *:
    cdef Shape made
    names = cls.__struct_fields__
    if len(names) > MAX_FIELDS or cls.__struct_config__.gc:
        raise ImportError(f"{cls.__name__} is not as it was")
    made.cls, made.n = <PyTypeObject*>cls, len(names)
    made.context = names.index("context")
    made.outcome = names.index("outcome") if "outcome" in names else -1
    for i, name in enumerate(names):
        made.at[i] = offset(cls, name)
    return made


cdef Shape STARTED = shape(_TaskStarted)
cdef Shape FINISHED = shape(_TaskFinished)
_classes = _TaskStarted, _TaskFinished  # their shapes hold no references



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
    Py_INCREF(value)
    into[0] = <PyObject*>value
    return True


cdef inline bint refuse(Cursor* text) noexcept:
    """Nothing comes next any more."""
    text.at = text.end
    return False


# Each of these answers whether what it is for comes next, behind its name; it is passed then. Where
# the name is there but not such a value, the whole of the text is refused.


cdef bint string(Cursor* text, const char* name, Py_ssize_t most, PyObject** into) except -1:
    cdef const char* begin
    cdef Py_ssize_t n
    if not literal(text, name):
        return False
    begin = text.at
    while text.at < text.end and PLAIN[<unsigned char>text.at[0]]:
        text.at += 1
    n = text.at - begin
    if not 0 < n <= most or not literal(text, b'"'):
        return refuse(text)
    value = PyUnicode_New(n, 127)
    memcpy(PyUnicode_DATA(value), begin, n)
    return put(into, value)


cdef bint whole(Cursor* text, const char* name, int64_t end, PyObject** into) except -1:
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
    return put(into, value)


cdef bint seconds(Cursor* text, const char* name, double most, PyObject** into) except -1:
    """A number with a point, so few digits that one division rounds it as it is to be rounded."""
    cdef const char* begin
    cdef const char* point = NULL
    cdef int64_t digits = 0
    cdef double value
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
    value = <double>digits / TENS[text.at - point - 1]
    return put(into, value) if value <= most else refuse(text)


cdef bint truth(Cursor* text, const char* name, PyObject** into) except -1:
    if not literal(text, name):
        return False
    if literal(text, b"true"):
        return put(into, True)
    return put(into, False) if literal(text, b"false") else refuse(text)


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


cdef bint sent_by(Cursor* text, PyObject** traceparent) except -1:
    """The last three fields of both kinds, and the end."""
    if not literal(text, b"}"):
        string(text, b',"traceparent":"', MAX_TRACEPARENT, traceparent)
        string(text, b',"producer_id":"', MAX_PRODUCER_ID, traceparent + 1)
        whole(text, b',"seq":', EXACT, traceparent + 2)
        if not literal(text, b"}"):
            return False
    return text.at == text.end


cdef bint started(Cursor* text, PyObject** into) except -1:
    if not (
        string(text, b',"agent_id":"', MAX_ID, into)
        and string(text, b',"task_id":"', MAX_ID, into + 1)
        and string(text, b',"task_type":"', MAX_ID, into + 2)
        and whole(text, b',"started_at_ms":', TIMES_END, into + 3)
    ):
        return False
    seconds(text, b',"estimate_s":', INFINITY, into + 4)
    dictionary(text, b',"context":', into + 5)
    return sent_by(text, into + 7)


cdef bint finished(Cursor* text, PyObject** into) except -1:
    if not (
        string(text, b',"agent_id":"', MAX_ID, into)
        and string(text, b',"task_id":"', MAX_ID, into + 1)
        and string(text, b',"task_type":"', MAX_ID, into + 2)
        and whole(text, b',"started_at_ms":', TIMES_END, into + 3)
        and whole(text, b',"finished_at_ms":', TIMES_END, into + 4)
        and seconds(text, b',"duration_s":', MAX_DURATION_S, into + 5)
        and truth(text, b',"succeeded":', into + 6)
    ):
        return False
    if <int64_t><object>into[4] < <int64_t><object>into[3]:
        return False
    whole(text, b',"code_review_iterations":', COUNTS_END, into + 7)
    truth(text, b',"deployment_succeeded":', into + 8)
    string(text, b',"error_type":"', MAX_ID, into + 9)
    seconds(text, b',"estimate_s":', INFINITY, into + 10)
    dictionary(text, b',"context":', into + 11)
    dictionary(text, b',"outcome":', into + 12)
    return sent_by(text, into + 15)


cdef object made(const Shape* shape, PyObject** found):
    """An object of ``found``, which are its own from now on."""
    cdef object event = PyType_GenericAlloc(shape.cls, 0)
    cdef int i
    for i in range(shape.n):
        if found[i] == NULL:
            put(&found[i], {} if i == shape.context or i == shape.outcome else None)
        (<PyObject**>(<char*><PyObject*>event + shape.at[i]))[0] = found[i]
        found[i] = NULL
    return event


def decode(list values):
    """All events in ``values``.

    Raises:
        Exception: What ``codec.decode_task_event`` raises for the first that is none.
    """
    cdef PyObject* found[MAX_FIELDS]
    cdef Cursor text
    cdef const Shape* shape
    cdef Py_ssize_t at
    cdef bytes value
    cdef list events = []
    memset(found, 0, sizeof(found))
    for at in range(len(values)):
        value = values[at]
        if value is None:
            raise TypeError("an event is of bytes")
        text = Cursor(PyBytes_AS_STRING(value), PyBytes_AS_STRING(value) + PyBytes_GET_SIZE(value))
        shape = NULL
        try:
            if literal(&text, b'{"kind":"task_started.v1"'):
                if started(&text, found):
                    shape = &STARTED
            elif literal(&text, b'{"kind":"task_finished.v1"'):
                if finished(&text, found):
                    shape = &FINISHED
            events.append(_decode(value) if shape == NULL else made(shape, found))
        finally:
            if shape == NULL:
                forget(found)
    return events


cdef void forget(PyObject** found) noexcept:
    cdef int i
    for i in range(MAX_FIELDS):
        Py_CLEAR(found[i])
