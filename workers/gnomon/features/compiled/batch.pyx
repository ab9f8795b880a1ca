# cython: language_level=3
"""The loop of ``fold.py`` over one batch, with compiled agents: it writes the same bytes.

Events are read from the memory of ``packedevents``, and features become JSON without an object.
"""

from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.stdint cimport int64_t

from gnomon.features.compiled.arrays cimport int128
from gnomon.features.compiled.jsontext cimport SPARE, put, put_any, put_double, put_string, put_whole
from gnomon.features.compiled.names cimport Slice, name_of
from gnomon.features.compiled.memory cimport CurrentFeatures, StartFeatures
from gnomon.features.compiled.native cimport Agent
from gnomon.features.compiled.packedevents cimport FINISHED, STARTED, Event, Events, events_of
from gnomon.compiled.packed_rows cimport PackedRows, Text, reserve
from gnomon.features.compiled.tasks cimport task_key
from gnomon.features.compiled.vector cimport put_hour, put_vector
from gnomon.features.compiled.window cimport pack_flags

from gnomon import codec
from gnomon.features.config import HOUR_MS as _HOUR_MS, MEMORY_MS as _MEMORY_MS
from gnomon.features.state import MINUTE_MS as _MINUTE_MS
from gnomon.records import DeadLetter

cdef int64_t HOUR_MS = _HOUR_MS
cdef int64_t MEMORY_MS = _MEMORY_MS
cdef int64_t MINUTE_MS = _MINUTE_MS
cdef int64_t _batches = 0  # since the process began; an agent keeps the number of its last batch


def fold_events(state, records, events, config, list dead):
    """``fold._fold_events``."""
    global _batches
    cdef Events packed = events_of(records, events)
    cdef dict agents = state.agents, touched = {}
    cdef PackedRows tasks = PackedRows(), rows = PackedRows()
    cdef int64_t retention_ms = HOUR_MS + <int64_t>config.max_lateness_ms
    cdef int64_t max_ahead_ms = config.max_clock_ahead_ms
    cdef int64_t appended_ms = state.appended_ms, covered_from_ms = state.covered_from_ms
    cdef bint torn = state.torn
    cdef int64_t at_ms
    cdef Py_ssize_t at
    cdef const Event* event
    cdef Agent agent
    cdef str agent_id
    cdef StartFeatures known
    _batches += 1
    for at in range(packed.n):
        event = &packed.items[at]
        at_ms = event.at_ms
        # A record's timestamp may be any number of 64 bits, so differences have more.
        if <int128>at_ms - event.timestamp_ms > max_ahead_ms:
            ahead_ms = <object>at_ms - <object>event.timestamp_ms
            error = codec.clock_refusal(ahead_ms, max_ahead_ms)
            dead.append(DeadLetter(records[at], error.reason, error.detail))
            continue
        if event.timestamp_ms > appended_ms:
            appended_ms = state.appended_ms = event.timestamp_ms
        if torn:
            state.cover_from(at_ms, config.max_lateness_ms)
            covered_from_ms = state.covered_from_ms
            torn = False
        agent_id = name_of(&event.agent_id)
        agent = agents.get(agent_id)
        if agent is None or <int128>appended_ms - agent.appended_ms > MEMORY_MS:
            agent = state.add_new(agent_id, newest_ms=at_ms, appended_ms=appended_ms)
        if agent.batch != _batches:
            agent.batch = _batches
            touched[agent_id] = agent
        if event.kind == FINISHED:
            finish(agent, event, appended_ms, retention_ms)
        elif event.kind == STARTED:
            if start(agent, event, appended_ms, retention_ms, &known):
                covered_ms = at_ms - max(covered_from_ms, agent.newest_ms - retention_ms)
                put_task(tasks, event, &known, covered_ms)
        else:
            agent.cancel_task(key_of(event), at_ms, appended_ms, retention_ms)
    for name, one in touched.items():
        put_agent(rows, state, name, <Agent>one, covered_from_ms)
    return tasks, rows


cdef inline int64_t key_of(const Event* event) noexcept:
    return task_key(event.task_id.at, event.task_id.n)


cdef inline bint start(
    Agent agent, const Event* event, int64_t appended_ms, int64_t retention_ms, StartFeatures* known
) except -1:
    return agent.start_task(
        key_of(event), name_of(&event.task_type), event.at_ms, appended_ms, retention_ms, known
    )


cdef inline int finish(
    Agent agent, const Event* event, int64_t appended_ms, int64_t retention_ms
) except -1:
    return agent.finish_task(
        key_of(event),
        name_of(&event.task_type),
        event.at_ms,
        event.duration_s,
        pack_flags(event.succeeded, event.reviews, event.deployed),
        appended_ms,
        retention_ms,
    )


cdef int put_task(
    PackedRows rows, const Event* event, const StartFeatures* known, int64_t covered_ms
) except -1:
    """The row of ``vector.task_features``."""
    cdef Text* text = &rows.text
    rows.begin(event.agent_id.at, event.agent_id.n)
    reserve(text, SPARE)
    put(text, b'{"kind":"task_features.v1","agent_id":')
    put_string(text, &event.agent_id)
    put(text, b',"task_id":')
    put_string(text, &event.task_id)
    put(text, b',"task_type":')
    put_string(text, &event.task_type)
    put(text, b',"started_at_ms":')
    put_whole(text, event.at_ms)
    put(text, b',"features":')
    put_vector(text, &known.vector)
    put_completeness(text, covered_ms, known.late_dropped)
    put(text, b',"estimate_s":')
    put_double(text, event.estimate_s)
    put(text, b',"context":')
    if event.context == NULL:
        put(text, b"{}")
    else:
        put_any(text, <object>event.context)
    put(text, b',"sealed_context":')
    sealed_context = None if event.whole == NULL else (<object>event.whole).sealed_context
    if sealed_context is None:
        put(text, b"null")
    else:
        put_any(text, sealed_context)
    put(text, b',"traceparent":')
    if event.traceparent.at != NULL:
        put_string(text, &event.traceparent)
    else:
        put(text, b"null")
    put(text, b"}")
    rows.end()
    return 0


cdef int put_agent(
    PackedRows rows, object state, str agent_id, Agent agent, int64_t covered_from_ms
) except -1:
    """The row of ``decay.publish`` as of the agent's newest event time."""
    cdef Text* text = &rows.text
    cdef CurrentFeatures known
    cdef Slice name
    cdef int64_t as_of_ms = agent.newest_ms, decays_ms
    agent.current_features(as_of_ms, &known)
    agent.published_count = <int64_t>(known.hour.tasks_completed_1h + known.hour.tasks_in_flight)
    decays_ms = agent.decay_ms(as_of_ms)
    if decays_ms >= 0 and (agent.due_minute < 0 or decays_ms // MINUTE_MS < agent.due_minute):
        state.schedule_decay(agent_id, agent, decays_ms)
    name.at = PyUnicode_AsUTF8AndSize(agent_id, &name.n)
    rows.begin(name.at, name.n)
    reserve(text, SPARE)
    put(text, b'{"kind":"agent_features.v1","agent_id":')
    put_string(text, &name)
    put(text, b',"as_of_ms":')
    put_whole(text, as_of_ms)
    put_hour(text, &known.hour)
    put(text, b',"last_finished_at_ms":')
    if known.last_finished_at_ms < 0:
        put(text, b"null")
    else:
        put_whole(text, known.last_finished_at_ms)
    put_completeness(text, as_of_ms - covered_from_ms, known.late_dropped)
    put(text, b"}")
    rows.end()
    return 0


cdef void put_completeness(Text* text, int64_t covered_ms, int64_t late) noexcept:
    """``vector._completeness``."""
    put(text, b',"completeness":{"hour_seen":')
    put_double(text, <double>min(max(covered_ms, 0), HOUR_MS) / <double>HOUR_MS)
    put(text, b',"late_dropped":')
    put_whole(text, late)
    put(text, b"}")
