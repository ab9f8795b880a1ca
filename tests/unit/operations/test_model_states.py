"""What the partitions tell of each version, as one entry for each version and state."""

from gnomon.events import AbsentModel, ModelSwitched, SwitchedModel
from gnomon.operations.models.model_states import states_of


def predicts(version: str) -> SwitchedModel:
    return SwitchedModel(model="m", version=version, sha256=f"sha-{version}")


def skipped(version: str, reason: str) -> AbsentModel:
    return AbsentModel(
        model="m", version=version, sha256=f"sha-{version}", state="skipped", reason=reason
    )


def switched(
    partition: int, at_ms: int, *models: SwitchedModel, absent: list[AbsentModel]
) -> ModelSwitched:
    return ModelSwitched(
        partition=partition, offset=5, at_ms=at_ms, models=list(models), absent=absent
    )


def test_a_version_that_predicts_in_some_partitions_is_named_with_the_latest_reason() -> None:
    found = states_of(
        [
            switched(2, 30, predicts("9"), absent=[skipped("10", "Key\x1b[2JError")]),
            switched(0, 10, predicts("9"), absent=[skipped("10", "ValueError")]),
            switched(1, 20, predicts("9"), predicts("10"), absent=[]),
        ]
    )

    assert [(s.version, s.state, s.partitions, s.reason, s.since_ms) for s in found] == [
        ("9", "predicts", [0, 1, 2], None, 30),
        ("10", "predicts", [1], None, 20),
        ("10", "skipped", [0, 2], "Key\x1b[2JError", 30),
    ]
    assert [state.sentence(3) for state in found] == [
        "predicts",
        "predicts in partitions [1]",
        "skipped in partitions [0, 2]: Key?[2JError",
    ]
