"""Both validators, gnomon's own and the JSON Schemas, really refuse what is wrong.

What is wrong is written out here or made from the examples, never from the schemas: a schema
that forbids nothing must fail these tests.
"""

import copy
import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import msgspec
import pytest
from tests.contract.contract_files import TAGS, example, schema
from tests.contract.test_examples import DECODERS

Path = tuple[str | int, ...]

REQUIRED: dict[str, set[str]] = {
    "task_started.v1": {"agent_id", "task_id", "task_type", "started_at_ms"},
    "task_finished.v1": {
        "agent_id", "task_id", "task_type", "started_at_ms", "finished_at_ms", "duration_s",
        "succeeded",
    },
    "task_cancelled.v1": {"agent_id", "task_id", "cancelled_at_ms"},
    "task_features.v1": {
        "agent_id", "task_id", "task_type", "started_at_ms", "features", "completeness",
    },
    "agent_features.v1": {
        "agent_id", "as_of_ms", "tasks_completed_1h", "avg_execution_time_1h", "success_rate_1h",
        "code_review_iterations", "median_execution_time_1h", "deployment_success_rate_1h",
        "tasks_in_flight", "last_finished_at_ms", "completeness",
    },
    "prediction.v1": {"agent_id", "task_id", "started_at_ms", "model", "version", "predictors"},
    "prediction_shed.v1": {"agent_id", "task_id", "started_at_ms"},
    "comparison.v1": {
        "decision_id", "agent_id", "task_id", "task_type", "started_at_ms", "features",
        "completeness", "predictions", "outcome",
    },
    "ledger.v1": {"partition"},
    "model_metrics.v1": {
        "model", "version", "slice", "partition", "window", "n", "absolute_error_us_sum",
        "control_absolute_error_us_sum", "within_25_sum", "n_success", "correct_sum",
        "control_correct_sum", "brier_ppm_sum", "mae_s", "control_mae_s", "median_error_s",
        "within_25", "improvement", "accuracy", "control_accuracy", "brier",
    },
    "sealed_decision.v1": {
        "decision_id", "key_id", "sealed", "status", "started_at_ms", "ended_at_ms",
    },
    "audit_event.v1": {"event_id", "at_ms", "action", "actor", "command"},
    "model_intent.v1": {"model", "alias", "version", "at_ms", "author", "action"},
    "model_switched.v1": {"partition", "offset", "at_ms", "models"},
    "client_stats.v1": {
        "producer_id", "at_ms", "sent", "accepted", "delivered", "failed", "spooled", "replayed",
        "waiting", "dropped_full", "dropped_oversize", "dropped_invalid", "dropped_closed",
        "shed_starts",
    },
    "client_seen.v1": {
        "producer_id", "partition", "received", "repeated", "last_seq", "as_of_ms",
    },
    "exposure.v1": {"experiment", "unit", "variant", "exposed_at_ms"},
    "interval_correction.v1": {
        "sha256", "bucket", "level", "partition", "n", "miss_share", "correction",
    },
    "verdict_experiment.v1": {"partition", "settings_sha256", "settings"},
    "model_evidence.v1": {"model", "version", "sha256", "partition", "settings_sha256"},
    "hour_evidence.v1": {"model", "version", "sha256", "partition", "settings_sha256", "hour"},
    "vault_root.v1": {"partition", "hour", "lists", "records", "root", "seal"},
    "vault_head.v1": {
        "partition", "lists", "records", "hours", "from_offset", "next_offset", "seal",
    },
}  # fmt: skip

YEAR_10000_MS = 253_402_300_800_000
TIME: tuple[Any, ...] = (-1, YEAR_10000_MS)
SHARE: tuple[Any, ...] = (-0.001, 1.001)
NEGATIVE: tuple[Any, ...] = (-1,)
NAME: tuple[Any, ...] = ("", "x" * 257)
PRODUCER: tuple[Any, ...] = ("", "x" * 65)
SEQ: tuple[Any, ...] = (-1, 2**53)
FLAT_OUTCOME = ("task_finished.v1", "outcome")  # of a comparison it is a record of its own

OUT_OF_RANGE: dict[str, dict[Path, tuple[Any, ...]]] = {
    "task_started.v1": {
        ("agent_id",): NAME, ("task_id",): NAME, ("task_type",): NAME,
        ("started_at_ms",): TIME, ("estimate_s",): NEGATIVE, ("traceparent",): ("x" * 56,),
        ("producer_id",): PRODUCER, ("seq",): SEQ,
    },
    "task_finished.v1": {
        ("agent_id",): NAME, ("task_id",): NAME, ("task_type",): NAME,
        ("started_at_ms",): (-1,), ("finished_at_ms",): (YEAR_10000_MS,),
        ("duration_s",): NEGATIVE, ("code_review_iterations",): NEGATIVE,
        ("error_type",): ("x" * 257,), ("estimate_s",): NEGATIVE, ("traceparent",): ("x" * 56,),
        ("producer_id",): PRODUCER, ("seq",): SEQ,
    },
    "task_cancelled.v1": {
        ("agent_id",): NAME, ("task_id",): NAME, ("cancelled_at_ms",): TIME,
        ("reason",): ("x" * 1025,), ("producer_id",): PRODUCER, ("seq",): SEQ,
    },
    "task_features.v1": {
        ("started_at_ms",): TIME, ("estimate_s",): NEGATIVE,
        ("features", "tasks_completed_1h"): NEGATIVE,
        ("features", "avg_execution_time_1h"): NEGATIVE,
        ("features", "success_rate_1h"): SHARE,
        ("features", "code_review_iterations"): NEGATIVE,
        ("features", "median_execution_time_1h"): NEGATIVE,
        ("features", "deployment_success_rate_1h"): SHARE,
        ("features", "tasks_in_flight"): NEGATIVE,
        ("features", "seconds_since_last_finish"): NEGATIVE,
        ("features", "same_type_runs"): NEGATIVE,
        ("features", "same_type_avg_execution_time"): NEGATIVE,
        ("features", "same_type_success_rate"): SHARE,
        ("features", "agent_runs"): NEGATIVE,
        ("features", "agent_avg_execution_time"): NEGATIVE,
        ("features", "agent_success_rate"): SHARE,
        ("completeness", "hour_seen"): SHARE,
        ("completeness", "late_dropped"): NEGATIVE,
    },
    "agent_features.v1": {
        ("as_of_ms",): TIME, ("tasks_completed_1h",): NEGATIVE,
        ("avg_execution_time_1h",): NEGATIVE, ("success_rate_1h",): SHARE,
        ("code_review_iterations",): NEGATIVE, ("median_execution_time_1h",): NEGATIVE,
        ("deployment_success_rate_1h",): SHARE, ("tasks_in_flight",): NEGATIVE,
        ("last_finished_at_ms",): TIME, ("completeness", "hour_seen"): SHARE,
    },
    "prediction.v1": {
        ("started_at_ms",): TIME, ("predictors",): (0, -1), ("duration_s",): NEGATIVE,
        ("success_probability",): SHARE,
        ("parts", "pool"): ([], [1.0], [1.0, 0.5, 0.5], [-1.0, 0.5], 7.0),
        ("intervals", "bucket"): NEGATIVE, ("intervals", "rule"): NEGATIVE,
        **{
            ("intervals", "by_level", "80", name): NEGATIVE
            for name in ("low_s", "high_s", "own_low_s", "own_high_s")
        },
    },
    "prediction_shed.v1": {("started_at_ms",): TIME},
    "comparison.v1": {
        ("started_at_ms",): TIME, ("estimate_s",): NEGATIVE,
        ("features", "success_rate_1h"): SHARE, ("completeness", "hour_seen"): SHARE,
        ("predictions", 1, "duration_s"): NEGATIVE,
        ("predictions", 1, "success_probability"): SHARE,
        ("predictions", 3, "parts", "pool"): ([], [1.0], [1.0, 0.5, 0.5], [-1.0, 0.5], None),
        ("outcome", "status"): ("pending", "Matched", ""), ("outcome", "at_ms"): TIME,
        ("outcome", "duration_s"): NEGATIVE, ("outcome", "code_review_iterations"): NEGATIVE,
    },
    "ledger.v1": {
        (name,): NEGATIVE
        for name in (
            "partition", "predictions", "matched", "pending", "expired", "cancelled", "duplicate",
            "late", "orphan", "shed",
        )
    },
    "model_metrics.v1": {
        **{
            (name,): NEGATIVE
            for name in (
                "partition", "n", "absolute_error_us_sum", "control_absolute_error_us_sum",
                "within_25_sum", "n_success", "correct_sum", "control_correct_sum",
                "brier_ppm_sum", "mae_s", "control_mae_s", "median_error_s", "n_80", "n_90",
                "covered_80_sum", "covered_90_sum", "width_80_us_sum", "width_90_us_sum",
                "mean_width_80_s", "mean_width_90_s",
            )
        },
        **{(name,): SHARE for name in ("within_25", "accuracy", "control_accuracy", "brier", "coverage_80", "coverage_90")},
        ("success_bins", 3): NEGATIVE, ("success_bins_succeeded", 3): NEGATIVE,
        ("window",): ("1h", "ALL", ""),
    },
    "sealed_decision.v1": {
        ("status",): ("pending", ""), ("started_at_ms",): TIME, ("ended_at_ms",): TIME,
    },
    "audit_event.v1": {
        ("at_ms",): TIME, ("ended_at_ms",): TIME, ("action",): ("read", ""), ("records",): (-1,),
        ("unreadable",): (-1,),
    },
    "model_intent.v1": {("at_ms",): TIME, ("action",): ("delete", "")},
    "model_switched.v1": {
        ("partition",): NEGATIVE, ("offset",): NEGATIVE, ("at_ms",): TIME,
        ("absent", 0, "state"): ("predicts", ""),
    },
    "client_stats.v1": {
        ("producer_id",): PRODUCER, ("at_ms",): TIME,
        **{
            (name,): NEGATIVE
            for name in (
                "sent", "accepted", "delivered", "failed", "spooled", "replayed", "waiting",
                "dropped_full", "dropped_oversize", "dropped_invalid", "dropped_closed",
                "shed_starts",
            )
        },
    },
    "client_seen.v1": {
        ("producer_id",): PRODUCER, ("as_of_ms",): TIME,
        **{(name,): NEGATIVE for name in ("partition", "received", "repeated", "last_seq")},
    },
    "exposure.v1": {
        ("experiment",): NAME, ("unit",): NAME, ("variant",): NAME, ("exposed_at_ms",): TIME,
        ("ramp_share",): SHARE, ("settings_sha256",): ("x" * 63, "x" * 65),
        ("producer_id",): PRODUCER, ("seq",): SEQ,
    },
    "interval_correction.v1": {
        ("sha256",): ("", "x" * 65), ("level",): (0, 100), ("miss_share",): SHARE,
        **{(name,): NEGATIVE for name in ("bucket", "partition", "n", "rule")},
    },
    "model_evidence.v1": {
        ("first_ms",): TIME, ("last_ms",): TIME,
        **{(name,): NEGATIVE for name in ("partition", "decisions", "immature", "expired")},
    },
    "hour_evidence.v1": {("hour",): NEGATIVE, ("partition",): NEGATIVE},
    "vault_root.v1": {
        ("root",): ("a" * 63, "a" * 65),
        **{(name,): NEGATIVE for name in ("lists", "records")},
    },
    "vault_head.v1": {
        (name,): NEGATIVE for name in ("lists", "records", "hours", "from_offset", "next_offset")
    },
}  # fmt: skip


def by_schema(tag: str, record: Any) -> bool:
    return bool(jsonschema.Draft202012Validator(schema(tag)).is_valid(record))


def by_gnomon(tag: str, record: Any) -> bool:
    try:
        DECODERS[tag](json.dumps(record).encode())
    except msgspec.ValidationError:
        return False
    return True


def with_value(record: Any, path: Path, value: Any) -> Any:
    changed = copy.deepcopy(record)
    target = changed
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value
    return changed


def places(node: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every field of a record at any depth, with its value."""
    inner = node.items() if isinstance(node, dict) else enumerate(node)
    for step, value in inner:
        yield (*path, step), value
        if isinstance(value, dict | list):
            yield from places(value, (*path, step))


def wrong_for(tag: str, path: Path, value: Any) -> list[Any]:
    """Values of a type the field at ``path`` must not have, judged by the one it has."""
    flat = path[0] == "context" or (tag, path[0]) == FLAT_OUTCOME or "reported" in path[:-1]
    if len(path) > 1 and flat:
        return [["wrong"], {"wrong": 1}]  # any plain value is right
    by_type: dict[type, list[Any]] = {
        list: ["wrong", {"wrong": 1}],
        dict: ["wrong", 1, ["wrong"]],
        bool: ["true", 1, ["wrong"]],
        int: ["1", 0.5, True, ["wrong"]],
        float: ["0.5", True, ["wrong"]],
        str: [7, True, ["wrong"], {"wrong": 1}],
        type(None): [["wrong"], {"wrong": 1}],
    }
    return by_type[type(value)]


def _wrong_types() -> Iterator[Any]:
    for tag in TAGS:
        for path, value in places(example(tag)):
            for wrong in wrong_for(tag, path, value):
                name = ".".join(map(str, path))
                yield pytest.param(tag, path, wrong, id=f"{tag}-{name}-{wrong!r}")


def _out_of_range() -> Iterator[Any]:
    for tag, fields in OUT_OF_RANGE.items():
        for path, values in fields.items():
            for wrong in values:
                name = ".".join(map(str, path))
                yield pytest.param(tag, path, wrong, id=f"{tag}-{name}-{str(wrong)[:12]!r}")


@pytest.mark.parametrize(("tag", "path", "wrong"), list(_wrong_types()))
def test_a_wrong_type_is_refused(tag: str, path: Path, wrong: object) -> None:
    record = with_value(example(tag), path, wrong)
    assert not by_schema(tag, record)
    assert not by_gnomon(tag, record)


@pytest.mark.parametrize(("tag", "path", "wrong"), list(_out_of_range()))
def test_a_value_out_of_range_is_refused(tag: str, path: Path, wrong: object) -> None:
    record = with_value(example(tag), path, wrong)
    assert not by_schema(tag, record)
    assert not by_gnomon(tag, record)


@pytest.mark.parametrize("tag", TAGS)
def test_exactly_the_required_fields_must_be_there(tag: str) -> None:
    full = example(tag)
    for name in full.keys() - {"kind"}:
        record = {field: value for field, value in full.items() if field != name}
        optional = name not in REQUIRED[tag]
        assert (name, by_schema(tag, record)) == (name, optional)
        assert (name, by_gnomon(tag, record)) == (name, optional)


@pytest.mark.parametrize(
    ("path", "name"),
    [(("outcome",), "status"), (("outcome",), "at_ms"), (("predictions", 0), "model"),
     (("predictions", 0), "version")],
)  # fmt: skip
def test_required_fields_inside_a_comparison_must_be_there(path: Path, name: str) -> None:
    record = example("comparison.v1")
    inner: Any = record
    for step in path:
        inner = inner[step]
    del inner[name]
    assert not by_schema("comparison.v1", record)
    assert not by_gnomon("comparison.v1", record)


@pytest.mark.parametrize("tag", TAGS)
@pytest.mark.parametrize("kind", ["task_started.v2", "Task_started.v1", "", "unheard_of.v1"])
def test_another_kind_is_refused(tag: str, kind: str) -> None:
    record = {**example(tag), "kind": kind}
    assert not by_schema(tag, record)
    assert not by_gnomon(tag, record)


@pytest.mark.parametrize("tag", TAGS)
def test_a_record_without_its_kind_is_invalid(tag: str) -> None:
    record = {name: value for name, value in example(tag).items() if name != "kind"}
    assert not by_schema(tag, record)


@pytest.mark.parametrize("value", [None, [], "text", 3, True])
@pytest.mark.parametrize("tag", TAGS)
def test_what_is_no_object_is_refused(tag: str, value: object) -> None:
    assert not by_schema(tag, value)
    assert not by_gnomon(tag, value)


def test_the_end_of_a_task_before_its_start_is_refused_by_gnomon_alone() -> None:
    """No schema can compare two fields; ``schemas/README.md`` says so."""
    record = {**example("task_finished.v1"), "finished_at_ms": 1}
    assert by_schema("task_finished.v1", record)
    assert not by_gnomon("task_finished.v1", record)


def test_a_ciphertext_that_is_no_base64_is_refused_by_gnomon_alone() -> None:
    """``contentEncoding`` tells a reader what it is; validators do not look."""
    record = {**example("sealed_decision.v1"), "sealed": "not base64!"}
    assert by_schema("sealed_decision.v1", record)
    assert not by_gnomon("sealed_decision.v1", record)
