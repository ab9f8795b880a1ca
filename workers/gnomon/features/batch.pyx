# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The loop of ``fold.py`` over one batch, on ``native``'s agents: the same bytes, written in C.

What a task or an agent is told becomes JSON without having been an object. Fields of events are
read where they lie in the object, as the interpreter itself does once it has seen a class often.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.stdint cimport int64_t
from libc.stdlib cimport free

from gnomon.features.eventjson cimport field, offset
from gnomon.features.jsontext cimport (
    Text, put, put_any, put_double, put_string, put_whole, reserve, SPARE,
)
from gnomon.features.native cimport Agent, Averages, Hour, Known, mark_of

from gnomon import codec
from gnomon.events import TaskCancelled as _TaskCancelled
from gnomon.events import TaskFinished as _TaskFinished, TaskStarted as _TaskStarted
from gnomon.features.config import HOUR_MS as _HOUR_MS, MEMORY_MS as _MEMORY_MS
from gnomon.features.state import MINUTE_MS as _MINUTE_MS
from gnomon.records import DeadLetter

cdef int64_t HOUR_MS = _HOUR_MS
cdef int64_t MEMORY_MS = _MEMORY_MS
cdef int64_t MINUTE_MS = _MINUTE_MS
cdef object TaskStarted = _TaskStarted
cdef object TaskFinished = _TaskFinished
cdef object TaskCancelled = _TaskCancelled
cdef int64_t _batches = 0  # since the process began, so that an agent knows its last one


cdef struct Started:
    Py_ssize_t agent_id, task_id, task_type, started_at_ms, estimate_s, context, sealed_context


cdef struct Finished:
    Py_ssize_t agent_id, task_id, task_type, finished_at_ms, duration_s, succeeded
    Py_ssize_t code_review_iterations, deployment_succeeded


cdef struct Cancelled:
    Py_ssize_t agent_id, task_id, cancelled_at_ms


cdef Started S = Started(
    agent_id=offset(TaskStarted, "agent_id"),
    task_id=offset(TaskStarted, "task_id"),
    task_type=offset(TaskStarted, "task_type"),
    started_at_ms=offset(TaskStarted, "started_at_ms"),
    estimate_s=offset(TaskStarted, "estimate_s"),
    context=offset(TaskStarted, "context"),
    sealed_context=offset(TaskStarted, "sealed_context"),
)
cdef Finished F = Finished(
    agent_id=offset(TaskFinished, "agent_id"),
    task_id=offset(TaskFinished, "task_id"),
    task_type=offset(TaskFinished, "task_type"),
    finished_at_ms=offset(TaskFinished, "finished_at_ms"),
    duration_s=offset(TaskFinished, "duration_s"),
    succeeded=offset(TaskFinished, "succeeded"),
    code_review_iterations=offset(TaskFinished, "code_review_iterations"),
    deployment_succeeded=offset(TaskFinished, "deployment_succeeded"),
)
cdef Cancelled C = Cancelled(
    agent_id=offset(TaskCancelled, "agent_id"),
    task_id=offset(TaskCancelled, "task_id"),
    cancelled_at_ms=offset(TaskCancelled, "cancelled_at_ms"),
)


def take(state, records, events, config, list dead):
    """``fold._take``."""
    global _batches
    cdef dict agents = state.agents, touched = {}
    cdef list vectors = []
    cdef int64_t kept_ms = HOUR_MS + <int64_t>config.max_lateness_ms
    cdef int64_t max_ahead_ms = config.max_clock_ahead_ms
    cdef int64_t appended_ms = state.appended_ms, seen_from_ms = state.seen_from_ms
    cdef int64_t at_ms, timestamp_ms
    cdef Agent agent
    cdef str agent_id
    cdef Known known
    cdef Text text = Text(NULL, 0, 0)
    _batches += 1
    try:
        for record, event in zip(records, events):
            cls = type(event)
            if cls is TaskStarted:
                at_ms, agent_id = field(event, S.started_at_ms), field(event, S.agent_id)
            elif cls is TaskFinished:
                at_ms, agent_id = field(event, F.finished_at_ms), field(event, F.agent_id)
            elif cls is TaskCancelled:
                at_ms, agent_id = field(event, C.cancelled_at_ms), field(event, C.agent_id)
            else:
                raise TypeError(f"{cls.__name__} is no task event")
            timestamp_ms = record.timestamp
            if at_ms - timestamp_ms > max_ahead_ms:
                error = codec.clock_refusal(at_ms - timestamp_ms, max_ahead_ms)
                dead.append(DeadLetter(record, error.reason, error.detail))
                continue
            if timestamp_ms > appended_ms:
                appended_ms = state.appended_ms = timestamp_ms
            agent = agents.get(agent_id)
            if agent is None or appended_ms - agent.appended_ms > MEMORY_MS:
                agent = state.begin(agent_id, newest_ms=at_ms, appended_ms=appended_ms)
                seen_from_ms = state.seen_from_ms
            if agent.batch != _batches:
                agent.batch = _batches
                touched[agent_id] = agent
            if cls is TaskStarted:
                if agent.begin_task(
                    field(event, S.task_id),
                    field(event, S.task_type),
                    at_ms,
                    appended_ms,
                    kept_ms,
                    &known,
                ):
                    since_ms = max(seen_from_ms, agent.newest_ms - kept_ms)
                    vectors.append(task_row(&text, event, &known, at_ms, at_ms - since_ms))
            elif cls is TaskFinished:
                finish(agent, event, at_ms, appended_ms, kept_ms)
            else:
                agent.cancel_task(field(event, C.task_id), at_ms, appended_ms, kept_ms)
        shown = [
            agent_row(&text, state, name, <Agent>one, seen_from_ms) for name, one in touched.items()
        ]
    finally:
        free(text.at)
    return vectors, shown


cdef inline int finish(
    Agent agent, object event, int64_t at_ms, int64_t appended_ms, int64_t kept_ms
) except -1:
    return agent.finish_task(
        field(event, F.task_id),
        field(event, F.task_type),
        at_ms,
        field(event, F.duration_s),
        mark_of(
            field(event, F.succeeded),
            field(event, F.code_review_iterations),
            field(event, F.deployment_succeeded),
        ),
        appended_ms,
        kept_ms,
    )


cdef tuple keyed(str agent_id, const Text* text):
    cdef Py_ssize_t n
    cdef const char* key = PyUnicode_AsUTF8AndSize(agent_id, &n)
    return PyBytes_FromStringAndSize(key, n), PyBytes_FromStringAndSize(text.at, text.n)


cdef tuple task_row(
    Text* text, object event, const Known* known, int64_t at_ms, int64_t covered_ms
):
    """``vector.task_features`` as it is written."""
    cdef const Hour* hour = &known.hour
    cdef str agent_id = field(event, S.agent_id)
    cdef dict context = field(event, S.context)
    text.n = 0
    reserve(text, SPARE)
    put(text, b'{"kind":"task_features.v1","agent_id":')
    put_string(text, agent_id)
    put(text, b',"task_id":')
    put_string(text, field(event, S.task_id))
    put(text, b',"task_type":')
    put_string(text, field(event, S.task_type))
    put(text, b',"started_at_ms":')
    put_whole(text, at_ms)
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
    estimate_s = field(event, S.estimate_s)
    if estimate_s is None:
        put(text, b"null")
    else:
        put_double(text, estimate_s)
    put(text, b',"context":')
    if context:
        put_any(text, context)
    else:
        put(text, b"{}")
    put(text, b',"sealed_context":')
    sealed_context = field(event, S.sealed_context)
    if sealed_context is None:
        put(text, b"null")
    else:
        put_any(text, sealed_context)
    put(text, b"}")
    return keyed(agent_id, text)


cdef tuple agent_row(Text* text, object state, str agent_id, Agent agent, int64_t seen_from_ms):
    """``decay.publish`` as of the agent's newest event time."""
    cdef Hour hour
    cdef int64_t as_of_ms = agent.newest_ms, last_ms, decays_ms
    agent.hour(as_of_ms, &hour, &last_ms)
    agent.shown = hour.n + hour.in_flight
    decays_ms = agent.decay_ms(as_of_ms)
    if decays_ms >= 0 and (agent.due_minute < 0 or decays_ms // MINUTE_MS < agent.due_minute):
        state.watch(agent_id, agent, decays_ms)
    text.n = 0
    reserve(text, SPARE)
    put(text, b'{"kind":"agent_features.v1","agent_id":')
    put_string(text, agent_id)
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
    return keyed(agent_id, text)


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
