# cython: language_level=3
"""Features in C structs to JSON and to objects; names and types are those of ``gnomon.events``.

A module that was compiled for other features than ``gnomon.events`` defines cannot be imported, so
that the Python implementation is used.
"""

from libc.math cimport isnan
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from gnomon.features.compiled.jsontext cimport SPARE, put, put_double, put_whole

import msgspec

from gnomon.events import FeatureVector as _FeatureVector, HourFeatures as _HourFeatures

cdef enum:
    MAX_FIELDS = 40
    KEY_BYTES = 64
    NUMBER_BYTES = 25
    # Room that a row needs between two strings for all but its features.
    OTHER_BYTES = 512

cdef struct Field:
    char key[KEY_BYTES]  # ,"name":
    Py_ssize_t key_n
    Py_ssize_t at  # of the value, among the doubles of the struct
    bint is_count

cdef struct Table:
    Field fields[MAX_FIELDS]
    Py_ssize_t n

cdef Table HOUR
cdef Table VECTOR


cdef bint is_integer(kind) except -1:
    """Whether the type of a field is an integer, whatever its bounds and ``None`` aside."""
    if isinstance(kind, msgspec.inspect.Metadata):
        return is_integer(kind.type)
    if isinstance(kind, msgspec.inspect.UnionType):
        return is_integer(kind.types[0])
    return isinstance(kind, msgspec.inspect.IntType)


cdef int fill(Table* table, list names, object struct) except -1:
    """Make the table of a Struct's fields; ``names`` are the fields of the C struct in order."""
    cdef Field* field
    cdef bytes key
    fields = msgspec.inspect.type_info(struct).fields
    if sorted(names) != sorted(each.name for each in fields):
        raise ImportError(f"the module was compiled for other features: {names}")
    if len(fields) * (KEY_BYTES + NUMBER_BYTES) + OTHER_BYTES > SPARE:
        raise ImportError(f"{len(fields)} features are too many")
    for each in fields:
        field = &table.fields[table.n]
        key = f',"{each.name}":'.encode()
        if len(key) > KEY_BYTES:
            raise ImportError(f"the name of {each.name} is too long")
        memcpy(field.key, <const char*>key, len(key))
        field.key_n, field.at = len(key), names.index(each.name)
        field.is_count = is_integer(each.type)
        table.n += 1
    return 0


cdef int fill_tables() except -1:
    """Cython makes a dictionary of a struct: its keys are the names of the fields in order."""
    cdef FeatureVector vector
    memset(&vector, 0, sizeof(vector))
    lasting = <dict>vector
    hour = list(lasting.pop("hour"))
    fill(&HOUR, hour, _HourFeatures)
    fill(&VECTOR, [*hour, *lasting], _FeatureVector)
    return 0


fill_tables()


cdef void put_fields(Text* text, const double* values, const Table* table) noexcept:
    """All fields with a comma before each; there is room for them."""
    cdef const Field* field
    cdef Py_ssize_t i
    cdef double value
    for i in range(table.n):
        field = &table.fields[i]
        # A fixed number of bytes is copied faster than the exact number.
        memcpy(text.at + text.n, field.key, KEY_BYTES)
        text.n += field.key_n
        value = values[field.at]
        if field.is_count and not isnan(value):
            put_whole(text, <int64_t>value)
        else:
            put_double(text, value)


cdef void put_vector(Text* text, const FeatureVector* vector) noexcept:
    """A vector as an object of JSON."""
    cdef Py_ssize_t begin = text.n
    put_fields(text, <const double*>vector, &VECTOR)
    text.at[begin] = c"{"
    put(text, b"}")


cdef void put_hour(Text* text, const HourFeatures* hour) noexcept:
    """The fields of ``hour`` inside an object of JSON, a comma before each."""
    put_fields(text, <const double*>hour, &HOUR)


cdef dict values_of(const double* values, const Table* table):
    cdef const Field* field
    cdef Py_ssize_t i
    cdef dict made = {}
    for i in range(table.n):
        field = &table.fields[i]
        name = field.key[2 : field.key_n - 2].decode()
        if isnan(values[field.at]):
            made[name] = None
        else:
            made[name] = <int64_t>values[field.at] if field.is_count else values[field.at]
    return made


cdef object vector_object(const FeatureVector* vector):
    """The event's object of a vector."""
    return _FeatureVector(**values_of(<const double*>vector, &VECTOR))


cdef object hour_object(const HourFeatures* hour):
    """The event's object of an hour."""
    return _HourFeatures(**values_of(<const double*>hour, &HOUR))
