# cython: language_level=3
"""The numbers of a decision: ``figures_of`` of ``gnomon.store.figures.of_decision``, which defines them."""

from libc.math cimport fabs, log1p

from gnomon.store.figures import of_decision

cdef object _Figures = of_decision.Figures
cdef object _new = tuple.__new__
cdef long long HOUR_MS = of_decision.HOUR_MS
cdef double LOG_CAP = of_decision.LOG_CAP
cdef str CONTROL = of_decision.CONTROL
cdef str SAME_TYPE = of_decision.SAME_TYPE
cdef str TYPE = of_decision.TYPE
cdef tuple NO_ENDS = (None, None, None, None)


def figures_of(head, word, *, str scope=""):
    """Return the numbers of a decision; see ``of_decision.figures_of``."""
    cdef object outcome = head.outcome, each
    cdef object control = None, same_type = None, type_ = None
    cdef list models = []
    cdef str model
    for each in head.predictions:
        model = each.model
        if model == CONTROL:
            control = each
        elif model == SAME_TYPE:
            same_type = each
        elif model == TYPE:
            type_ = each
        else:
            models.append(each)
    cdef object ended_at_ms = outcome.at_ms, decision_id = head.decision_id
    cdef object agent = word(head.agent_id), task_type = word(head.task_type)
    cdef object status = outcome.status, started_at_ms = head.started_at_ms
    cdef object actual_s = outcome.duration_s, succeeded = outcome.succeeded
    cdef object control_s = None, control_success = None, same_type_s = None, same_type_success = None
    cdef object type_s = None, type_success = None
    if control is not None:
        control_s, control_success = control.duration_s, control.success_probability
    if same_type is not None:
        same_type_s, same_type_success = same_type.duration_s, same_type.success_probability
    if type_ is not None:
        type_s, type_success = type_.duration_s, type_.success_probability
    cdef tuple task = (
        ended_at_ms, decision_id, scope, agent, task_type, status, started_at_ms, actual_s, succeeded,
        head.estimate_s, head.completeness.hour_seen, control_s, same_type_s, type_s,
        control_success, same_type_success, type_success,
    )  # fmt: skip
    cdef object control_error_s, control_loss, control_brier, error_s, loss, brier
    cdef object low_80, high_80, low_90, high_90, predicted_s, probability
    cdef object hour = started_at_ms // HOUR_MS
    cdef list predictions = []
    control_error_s, control_loss = losses(control_s, actual_s)
    control_brier = score(control_success, succeeded)
    for each in models:
        predicted_s, probability = each.duration_s, each.success_probability
        error_s, loss = losses(predicted_s, actual_s)
        brier = score(probability, succeeded)
        low_80, high_80, low_90, high_90 = ends(each.intervals)
        predictions.append((
            ended_at_ms, decision_id, each.model, each.version, scope, agent, task_type, status,
            started_at_ms, hour, actual_s, succeeded, predicted_s, probability,
            low_80, high_80, low_90, high_90, control_s, same_type_s, type_s,
            error_s, control_error_s, loss, control_loss, brier, control_brier,
        ))  # fmt: skip
    return _new(_Figures, (task, predictions))


cdef tuple losses(predicted_s, actual_s):
    """The absolute error in seconds, and the log loss."""
    cdef double predicted, actual, loss
    if predicted_s is None or actual_s is None:
        return (None, None)
    predicted, actual = predicted_s, actual_s
    if predicted <= -1 or actual <= -1:
        raise ValueError("math domain error")
    loss = fabs(log1p(predicted) - log1p(actual))
    return (fabs(predicted - actual), LOG_CAP if LOG_CAP < loss else loss)


cdef object score(probability, succeeded):
    """The Brier score."""
    cdef double difference
    if probability is None or succeeded is None:
        return None
    difference = <double>probability - <double>(succeeded is True)
    return difference * difference


cdef tuple ends(intervals):
    """Both ends of the 80 % and of the 90 % interval."""
    if intervals is None:
        return NO_ENDS
    cdef dict found = intervals.by_level
    cdef object at_80 = found.get("80"), at_90 = found.get("90")
    cdef object low_80 = None, high_80 = None, low_90 = None, high_90 = None
    if at_80 is not None:
        low_80, high_80 = at_80.low_s, at_80.high_s
    if at_90 is not None:
        low_90, high_90 = at_90.low_s, at_90.high_s
    return (low_80, high_80, low_90, high_90)
