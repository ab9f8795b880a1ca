# cython: language_level=3
"""The loop of ``fold.py`` over one batch, on ``native``'s agents: the same bytes, written in C.

Events are read where ``packedevents`` has them, and what a task or an agent is told becomes JSON
without having been an object.
"""

from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.stdint cimport int64_t

from gnomon.features.compiled.jsontext cimport SPARE, put, put_any, put_double, put_string, put_whole
from gnomon.features.compiled.names cimport Slice, name_of
from gnomon.features.compiled.native cimport Agent, Hour, Known, int128, mark_of, task_key
from gnomon.features.compiled.packedevents cimport FINISHED, STARTED, Event, Events, events_of
from gnomon.features.compiled.rows cimport PackedRows, Text, reserve

from gnomon import codec
from gnomon.features.config import HOUR_MS as _HOUR_MS, MEMORY_MS as _MEMORY_MS
from gnomon.features.state import MINUTE_MS as _MINUTE_MS
from gnomon.records import DeadLetter

cdef int64_t HOUR_MS = _HOUR_MS
cdef int64_t MEMORY_MS = _MEMORY_MS
cdef int64_t MINUTE_MS = _MINUTE_MS
cdef int64_t _batches = 0  # since the process began, so that an agent knows its last one


def take(state, records, events, config, list dead):
    """``fold._take``."""
    global _batches
    cdef Events packed = events_of(records, events)
    cdef dict agents = state.agents, touched = {}
    cdef PackedRows vectors = PackedRows(), shown = PackedRows()
    cdef int64_t kept_ms = HOUR_MS + <int64_t>config.max_lateness_ms
    cdef int64_t max_ahead_ms = config.max_clock_ahead_ms
    cdef int64_t appended_ms = state.appended_ms, seen_from_ms = state.seen_from_ms
    cdef int64_t at_ms
    cdef Py_ssize_t at
    cdef const Event* event
    cdef Agent agent
    cdef str agent_id
    cdef Known known
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
        agent_id = name_of(&event.agent_id)
        agent = agents.get(agent_id)
        if agent is None or <int128>appended_ms - agent.appended_ms > MEMORY_MS:
            agent = state.begin(agent_id, newest_ms=at_ms, appended_ms=appended_ms)
            seen_from_ms = state.seen_from_ms
        if agent.batch != _batches:
            agent.batch = _batches
            touched[agent_id] = agent
        if event.kind == FINISHED:
            finish(agent, event, appended_ms, kept_ms)
        elif event.kind == STARTED:
            if start(agent, event, appended_ms, kept_ms, &known):
                covered_ms = at_ms - max(seen_from_ms, agent.newest_ms - kept_ms)
                put_task(vectors, event, &known, covered_ms)
        else:
            agent.cancel_task(key_of(event), at_ms, appended_ms, kept_ms)
    for name, one in touched.items():
        put_agent(shown, state, name, <Agent>one, seen_from_ms)
    return vectors, shown


cdef inline int64_t key_of(const Event* event) noexcept:
    return task_key(event.task_id.at, event.task_id.n)


cdef inline bint start(
    Agent agent, const Event* event, int64_t appended_ms, int64_t kept_ms, Known* known
) except -1:
    return agent.begin_task(
        key_of(event), name_of(&event.task_type), event.at_ms, appended_ms, kept_ms, known
    )


cdef inline int finish(
    Agent agent, const Event* event, int64_t appended_ms, int64_t kept_ms
) except -1:
    return agent.finish_task(
        key_of(event),
        name_of(&event.task_type),
        event.at_ms,
        event.duration_s,
        mark_of(event.succeeded, event.reviews, event.deployed),
        appended_ms,
        kept_ms,
    )


cdef int put_task(
    PackedRows rows, const Event* event, const Known* known, int64_t covered_ms
) except -1:
    """``vector.task_features`` as it is written."""
    cdef Text* text = &rows.text
    cdef const Hour* hour = &known.hour
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
    put(text, b',"features":{"tasks_completed_1h":')
    put_hour(text, hour)
    put(text, b',"seconds_since_last_finish":')
    put_double(text, known.since_finish_s)
    put(text, b',"same_type_runs":')
    put_whole(text, known.same.n)
    put(text, b',"same_type_avg_execution_time":')
    put_double(text, known.same.mean_s)
    put(text, b',"same_type_success_rate":')
    put_double(text, known.same.success_rate)
    put(text, b',"agent_runs":')
    put_whole(text, known.overall.n)
    put(text, b',"agent_avg_execution_time":')
    put_double(text, known.overall.mean_s)
    put(text, b',"agent_success_rate":')
    put_double(text, known.overall.success_rate)
    put(text, b"}")
    put_completeness(text, covered_ms, hour.late)
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
    put(text, b"}")
    rows.end()
    return 0


cdef int put_agent(
    PackedRows rows, object state, str agent_id, Agent agent, int64_t seen_from_ms
) except -1:
    """``decay.publish`` as of the agent's newest event time."""
    cdef Text* text = &rows.text
    cdef Hour hour
    cdef Slice name
    cdef int64_t as_of_ms = agent.newest_ms, last_ms, decays_ms
    agent.hour(as_of_ms, &hour, &last_ms)
    agent.shown = hour.n + hour.in_flight
    decays_ms = agent.decay_ms(as_of_ms)
    if decays_ms >= 0 and (agent.due_minute < 0 or decays_ms // MINUTE_MS < agent.due_minute):
        state.watch(agent_id, agent, decays_ms)
    name.at = PyUnicode_AsUTF8AndSize(agent_id, &name.n)
    rows.begin(name.at, name.n)
    reserve(text, SPARE)
    put(text, b'{"kind":"agent_features.v1","agent_id":')
    put_string(text, &name)
    put(text, b',"as_of_ms":')
    put_whole(text, as_of_ms)
    put(text, b',"tasks_completed_1h":')
    put_hour(text, &hour)
    put(text, b',"last_finished_at_ms":')
    if last_ms < 0:
        put(text, b"null")
    else:
        put_whole(text, last_ms)
    put_completeness(text, as_of_ms - seen_from_ms, hour.late)
    put(text, b"}")
    rows.end()
    return 0


cdef void put_hour(Text* text, const Hour* hour) noexcept:
    put_whole(text, hour.n)
    put(text, b',"avg_execution_time_1h":')
    put_double(text, hour.mean_s)
    put(text, b',"success_rate_1h":')
    put_double(text, hour.success_rate)
    put(text, b',"code_review_iterations":')
    put_double(text, hour.reviews)
    put(text, b',"median_execution_time_1h":')
    put_double(text, hour.median_s)
    put(text, b',"deployment_success_rate_1h":')
    put_double(text, hour.deployed_rate)
    put(text, b',"tasks_in_flight":')
    put_whole(text, hour.in_flight)


cdef void put_completeness(Text* text, int64_t covered_ms, int64_t late) noexcept:
    """``vector._completeness``."""
    put(text, b',"completeness":{"hour_seen":')
    put_double(text, <double>min(max(covered_ms, 0), HOUR_MS) / <double>HOUR_MS)
    put(text, b',"late_dropped":')
    put_whole(text, late)
    put(text, b"}")
