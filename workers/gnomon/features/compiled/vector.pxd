"""The features of ``gnomon.events`` as C structs, and how they become JSON and objects.

The fields have the names of the event's fields; their order does not matter. Each is a double, which
is not-a-number where the event has ``None``.
"""

from gnomon.compiled.packed_rows cimport Text


cdef struct HourFeatures:
    double tasks_completed_1h
    double avg_execution_time_1h
    double success_rate_1h
    double code_review_iterations
    double median_execution_time_1h
    double deployment_success_rate_1h
    double tasks_in_flight


cdef struct FeatureVector:
    HourFeatures hour
    double seconds_since_last_finish
    double same_type_runs
    double same_type_avg_execution_time
    double same_type_success_rate
    double agent_runs
    double agent_avg_execution_time
    double agent_success_rate


cdef void put_vector(Text* text, const FeatureVector* vector) noexcept
cdef void put_hour(Text* text, const HourFeatures* hour) noexcept
cdef object vector_object(const FeatureVector* vector)
cdef object hour_object(const HourFeatures* hour)
