"""The live evidence of several partitions is what ``gnomon verdict`` computes from all comparisons."""

import random
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.verdict.build import HOUR, SHA, T0, comparison, control, decided, model, simulated
from tests.unit.verdict.evidence.test_evidence import rows

from gnomon import codec
from gnomon.cli.verdicts.comparisons_log import gather
from gnomon.events import Comparison, EvidenceEvent, ModelEvidence
from gnomon.verdict import (
    LIVE_SETTINGS,
    Decided,
    Evidence,
    LiveEvidence,
    VerdictSettings,
    judge,
    merge_evidence,
)
from gnomon.verdict.challenger import Challenger
from gnomon.verdict.evidence.live import MAX_VERSIONS

RULES = msgspec.structs.replace(LIVE_SETTINGS, mature_after_s=900.0)
Topic = dict[str, bytes]


def publish(topic: Topic, live: LiveEvidence, partition: int) -> None:
    """Apply what a batch of ``partition`` yields to the compacted topic."""
    for key, event in live.close(partition):
        if event is None:
            topic.pop(key, None)
        else:
            topic[key] = codec.encode(event)


def restarted(live: LiveEvidence, rules: VerdictSettings = RULES) -> LiveEvidence:
    """Return the evidence as a worker restores it."""
    data = live.encode()
    return LiveEvidence.decode(data, live.clocks, rules)


def merged(topic: Topic) -> list[Evidence]:
    return merge_evidence(map(codec.decode_evidence, topic.values()))


def live_of(found: Sequence[Decided], rules: VerdictSettings = RULES) -> Evidence:
    """Evidence of two partitions, each of whose batches has one decision."""
    topic: Topic = {}
    parts = [LiveEvidence(rules), LiveEvidence(rules)]
    for row in found:
        partition = len(row.agent_id) % 2
        parts[partition].add(row)
        publish(topic, parts[partition], partition)
    return merged(topic)[0]


def offline(found: Sequence[Decided], path: Path, rules: VerdictSettings = RULES) -> Evidence:
    return offline_of([comparison(row) for row in found], path, rules)


def offline_of(found: Sequence[Comparison], path: Path, rules: VerdictSettings) -> Evidence:
    path.write_bytes(b"".join(codec.encode(each) + b"\n" for each in found))
    return gather(path, rules).evidence


def sums_of(challenger: Challenger) -> object:
    """Everything that a verdict is made of, but for the rows of agents that nothing tells of."""
    return (
        challenger.counts,
        challenger.labels,
        (challenger.first_ms, challenger.last_ms),
        (challenger.hits.blocks, challenger.hits.totals, challenger.hits.hours),
        {
            name: (
                {loss: (sums.blocks, sums.totals, sums.hours) for loss, sums in each.sums.items()},
                each.worst,
                each.best,
            )
            for name, each in challenger.against.items()
        },
    )


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(rows(), st.randoms(use_true_random=False), st.integers(1, 3))
def test_partitions_in_any_order_and_restarted_give_the_sums_of_the_log(
    tmp_path: Path, found: list[Decided], chance: random.Random, partitions: int
) -> None:
    topic: Topic = {}
    parts = [LiveEvidence(RULES) for _ in range(partitions)]
    for row in chance.sample(found, len(found)):
        partition = sum(row.agent_id.encode()) % partitions
        parts[partition].add(row)
        if chance.random() < 0.5:
            publish(topic, parts[partition], partition)
            parts[partition] = restarted(parts[partition])
    for partition, live in enumerate(parts):
        publish(topic, live, partition)

    expected = offline(found, tmp_path / "c.jsonl")
    evidence = merged(topic)
    assert bool(evidence) == bool(expected.challengers)
    if evidence:
        of_live, of_log = evidence[0].challengers, expected.challengers
        assert {k: sums_of(c) for k, c in of_live.items()} == {
            k: sums_of(c) for k, c in of_log.items()
        }
        assert judge(evidence[0]) == judge(expected)


@pytest.mark.parametrize(("ratio", "word"), [(0.6, "GO"), (1.6, "STOP-HARM")])
def test_the_live_verdict_is_that_of_the_log(tmp_path: Path, ratio: float, word: str) -> None:
    rules = VerdictSettings(
        mature_after_s=60.0, clip_s={"control": 300, "same-type": 1, "type": 1}, drills=()
    )
    found = simulated(ratio=ratio, hours=40)
    (live,) = judge(live_of(found, rules))
    assert live.word == word
    assert live == judge(offline(found, tmp_path / "c.jsonl", rules))[0]
    assert bool(live.harm) == (word == "STOP-HARM")


def test_the_state_does_not_grow_with_the_number_of_tasks() -> None:
    """Hours that are over are forgotten, and the topic has them."""
    live, sizes = LiveEvidence(RULES), []
    topic: Topic = {}
    found = sorted(simulated(ratio=0.7, hours=60, agents=4), key=lambda row: row.started_at_ms)
    for number, row in enumerate(found, start=1):
        live.add(row)
        if number % 200 == 0:
            publish(topic, live, 0)
            live.forget_hours(row.hour - 1)
            sizes.append(len(live.encode()) + len(msgspec.msgpack.encode(live.clocks)))
    assert max(sizes[2:]) < 1.2 * sizes[1]
    assert sum(b"hour_evidence" in value for value in topic.values()) == 60


def test_an_agent_that_comes_back_finds_its_immature_tasks() -> None:
    """Its block is kept over the hours in which the others go on."""
    live = LiveEvidence(RULES)
    topic: Topic = {}
    early, other = decided(1, control(9.0), model(3.0)), decided(2, control(9.0), model(3.0))
    live.add(early)
    live.add(msgspec.structs.replace(other, agent_id="bob", started_at_ms=T0 + 90 * HOUR))
    publish(topic, live, 0)
    live.forget_hours(T0 // HOUR + 80)
    live = restarted(live)
    assert merged(topic)[0].challengers[SHA].counts.immature == 2
    live.add(decided(3, control(9.0), model(3.0), hour=95))
    publish(topic, live, 0)
    (sums,) = (c.against["control"].sums["log_loss"] for c in merged(topic)[0].challengers.values())
    assert (sums.blocks[0], sums.hours.row[0], sums.totals[0]) == (1, 1, 1)


def test_the_total_of_an_hour_is_kept_for_an_agent_that_has_no_mature_task_in_it() -> None:
    live = LiveEvidence(RULES)
    topic: Topic = {}
    for row in (
        decided(1, control(9.0), model(3.0)),
        decided(2, control(9.0), model(3.0), hour=90),
    ):
        live.add(row)
    immature = msgspec.structs.replace(decided(3, control(9.0), model(3.0)), agent_id="bob")
    live.add(immature)
    live.forget_hours(T0 // HOUR + 80)
    later = decided(4, control(9.0), model(3.0), hour=95)
    live.add(msgspec.structs.replace(later, agent_id="bob"))
    publish(topic, live, 0)

    (sums,) = (c.against["control"].sums["log_loss"] for c in merged(topic)[0].challengers.values())
    assert (sums.blocks[0], sums.hours.row[0]) == (2, 1)
    assert (sums.hours.row[1], sums.hours.row[2]) == (sums.blocks[1], sums.blocks[2])


def test_changed_settings_begin_a_new_experiment() -> None:
    topic: Topic = {}
    before = LiveEvidence(RULES)
    for row in simulated(ratio=0.7, hours=2, agents=2):
        before.add(row)
    publish(topic, before, 0)
    changed = msgspec.structs.replace(RULES, delta=0.1)
    after = restarted(before, changed)
    after.add(decided(1, control(9.0), model(3.0), hour=50))
    list(after.close(0))  # while a worker recovers, what it would write is dropped
    after = restarted(after, changed)
    for key, event in after.announce(0):
        if event is None:
            del topic[key]  # every deletion is one of a record that is there
        else:
            topic[key] = codec.encode(event)
    (found,) = merged(topic)
    assert found.settings == changed
    assert [c.counts.immature for c in found.challengers.values()] == [1]
    assert list(after.announce(0)) == []


def test_settings_must_fix_the_constants_of_the_window() -> None:
    with pytest.raises(ValueError, match="mature_after_s"):
        LiveEvidence(VerdictSettings(clip_s=LIVE_SETTINGS.clip_s))
    with pytest.raises(ValueError, match="same-type, type"):
        LiveEvidence(VerdictSettings(mature_after_s=1.0, clip_s={"control": 5.0}))


def test_of_many_versions_those_are_kept_that_predicted_last() -> None:
    live = LiveEvidence(RULES)
    topic: Topic = {}
    for number in range(MAX_VERSIONS + 3):
        made = model(1.0, version=str(number), sha256=f"{number:064x}")
        live.add(decided(number, control(2.0), made, hour=number / 10))
        publish(topic, live, 0)
    kept = {int(key, 16) for key in merged(topic)[0].challengers}
    assert kept == set(range(3, MAX_VERSIONS + 3))
    assert not [key for key in topic if key.startswith(f"{0:064x}")]


def test_a_model_without_a_digest_may_have_any_name() -> None:
    live = LiveEvidence(RULES)
    topic: Topic = {}
    for number, name in enumerate(("a|all", "a%7Call", "a")):
        live.add(decided(number, control(2.0), model(1.0, name=name, sha256=None)))
    publish(topic, live, 0)
    decoded = map(codec.decode_evidence, topic.values())
    names = [event.model for event in decoded if isinstance(event, ModelEvidence)]
    assert sorted(names) == ["a", "a%7Call", "a|all"]


def test_a_partition_whose_settings_are_not_known_yet_does_not_count() -> None:
    live = LiveEvidence(RULES)
    live.add(decided(1, control(2.0), model(1.0)))
    events: list[EvidenceEvent] = [event for _, event in live.close(0) if event is not None]
    assert merge_evidence(events[1:]) == []


@pytest.mark.parametrize("equal_to", ["control", "same-type"])
def test_a_model_equal_to_a_baseline_never_gets_go(equal_to: str) -> None:
    """Looked at after every hour; against a same-type that surely beats control by 40 %."""
    rules = msgspec.structs.replace(RULES, drills=(), min_decisions=100)
    for seed in range(5):
        live = LiveEvidence(rules)
        topic: Topic = {}
        improved, looked = False, T0 // HOUR
        for row in simulated(ratio=0.6, hours=40, agents=5, tasks=3, seed=seed):
            theirs, better = row.predictions
            same_type = msgspec.structs.replace(better, model="same-type", version="0", sha256=None)
            source = theirs if equal_to == "control" else better
            same = msgspec.structs.replace(source, model="m", version="1", sha256=SHA)
            if row.hour > looked:
                publish(topic, live, 0)
                (found,) = judge(merged(topic)[0])
                assert found.word != "GO"
                improved |= found.criteria["improvement"].passed
                looked = row.hour
            live.add(msgspec.structs.replace(row, predictions=(theirs, same_type, same)))
        assert improved == (equal_to == "same-type")
        if equal_to == "same-type":
            assert found.against["same-type"]["log_loss"].estimate == 0.0
            assert "simple_rules" in found.blocked_by


def test_a_baseline_may_be_judged_as_a_model(tmp_path: Path) -> None:
    """It is compared with the other baselines, and not with itself."""
    rules = msgspec.structs.replace(RULES, judged_baselines=("type",), drills=())
    found = [
        msgspec.structs.replace(
            row,
            predictions=(
                row.predictions[0],
                msgspec.structs.replace(row.predictions[1], model="type", sha256=None),
            ),
        )
        for row in simulated(ratio=0.6, hours=40)
    ]
    (live,) = judge(live_of(found, rules))
    assert (live.name, live.word, set(live.against)) == ("type", "GO", {"control"})
    assert live == judge(offline(found, tmp_path / "c.jsonl", rules))[0]
    assert live_of(found[:50], msgspec.structs.replace(rules, judged_baselines=("control",)))
