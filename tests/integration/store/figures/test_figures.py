"""Tests of the tables of numbers: what the vault stage writes, against pandas, after crashes, and without a key."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from sqlalchemy import create_engine, text
from tests.support.decisions import a_decision
from tests.support.kafka.topic_in_memory import Record
from tests.support.vaults import started

from gnomon import codec
from gnomon.events import Comparison, Interval, Intervals, Ledger, ModelMetrics, ModelPrediction
from gnomon.events.decisions import Outcome
from gnomon.settings import Settings
from gnomon.stages.vault import VaultStage
from gnomon.store import DecisionStore
from gnomon.store.figures import of_decision
from gnomon.topics import COMPARISON_METRICS
from gnomon.vault import create_key_file
from gnomon.verdict.evidence import decided, losses

HOUR_MS = 3_600_000
BASELINES = ("control", "same-type", "type")


def table(settings: Settings, name: str) -> pd.DataFrame:
    engine = create_engine(settings.store_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        found = pd.read_sql(text(f"SELECT * FROM {name}"), connection)  # noqa: S608  our own names
    engine.dispose()
    return found


def some_decisions(count: int) -> list[Comparison]:
    """Of three agents and two models; some expired, some not predicted."""
    random = np.random.default_rng(7)

    def seconds() -> float | None:
        return None if random.random() < 0.2 else float(random.lognormal(3, 2))

    def prediction(model: str, version: str) -> ModelPrediction:
        interval = Interval(low_s=1.5, high_s=9.5, own_low_s=2.0, own_high_s=9.0)
        chance = None if random.random() < 0.2 else float(random.random())
        has_ends = model not in BASELINES and random.random() < 0.5
        return ModelPrediction(
            model=model,
            version=version,
            duration_s=seconds(),
            success_probability=chance,
            intervals=Intervals(bucket=1, by_level={"80": interval}) if has_ends else None,
        )

    def outcome(at_ms: int) -> Outcome:
        if random.random() < 0.3:
            return Outcome(status="expired", at_ms=at_ms)
        succeeded = bool(random.random() < 0.7)
        return Outcome(status="matched", at_ms=at_ms, duration_s=seconds(), succeeded=succeeded)

    made = []
    for number in range(count):
        decision = a_decision(number)
        models = [*((name, "0") for name in BASELINES), ("gnomon", "4"), ("gnomon", "5")]
        made.append(
            msgspec.structs.replace(
                decision,
                agent_id=f"agent-{number % 3}",
                estimate_s=seconds(),
                predictions=[prediction(*model) for model in models[: 1 + number % 5]],
                outcome=outcome(decision.outcome.at_ms),
            )
        )
    return made


def records(decisions: Sequence[Comparison]) -> list[Record]:
    return [Record(n, codec.encode(each)) for n, each in enumerate(decisions)]


def expected_predictions(decisions: Sequence[Comparison]) -> pd.DataFrame:
    """Computed again by pandas and numpy from the decisions themselves."""
    rows: list[dict[str, Any]] = []
    for each in decisions:
        of = {p.model: p for p in each.predictions if p.model in BASELINES}
        for p in each.predictions:
            if p.model in BASELINES:
                continue
            ends = p.intervals.by_level["80"] if p.intervals else None
            rows.append(
                {
                    "decision_id": each.decision_id,
                    "version": p.version,
                    "hour": each.started_at_ms // HOUR_MS,
                    "duration_s": each.outcome.duration_s,
                    "succeeded": each.outcome.succeeded,
                    "predicted_s": p.duration_s,
                    "chance": p.success_probability,
                    "low_80_s": ends.low_s if ends else None,
                    "control_s": of["control"].duration_s,
                    "control_chance": of["control"].success_probability,
                    "type_s": of["type"].duration_s if "type" in of else None,
                }
            )
    frame = pd.DataFrame(rows).sort_values(["decision_id", "version"], ignore_index=True)
    numbers = frame.columns.difference(["decision_id", "version"])
    frame[numbers] = frame[numbers].astype(float)
    actual = frame.duration_s
    for name, predicted in (("", frame.predicted_s), ("control_", frame.control_s)):
        frame[f"{name}error_s"] = (predicted - actual).abs()
        frame[f"{name}loss"] = (np.log1p(predicted) - np.log1p(actual)).abs().clip(upper=np.log(10))
    frame["brier"] = (frame.chance - frame.succeeded) ** 2
    frame["control_brier"] = (frame.control_chance - frame.succeeded) ** 2
    return frame.drop(columns=["control_chance"]).rename(columns={"chance": "success_probability"})


async def test_the_numbers_are_those_of_the_decisions(
    settings: Settings, vault: VaultStage
) -> None:
    decisions = some_decisions(300)
    await vault.apply(None, records(decisions))

    expected = expected_predictions(decisions)
    found = table(settings, "gnomon_predictions")
    found = found.sort_values(["decision_id", "version"], ignore_index=True)[expected.columns]
    numbers = expected.columns.difference(["decision_id", "version"])
    found[numbers] = found[numbers].astype(float)
    pd.testing.assert_frame_equal(found, expected)

    tasks = table(settings, "gnomon_tasks").sort_values("decision_id", ignore_index=True)
    assert tasks.decision_id.tolist() == [each.decision_id for each in decisions]
    assert tasks.status.tolist() == [each.outcome.status for each in decisions]
    assert tasks.ended_at_ms.tolist() == [each.outcome.at_ms for each in decisions]
    estimates = [np.nan if d.estimate_s is None else d.estimate_s for d in decisions]
    np.testing.assert_array_equal(tasks.estimate_s.astype(float), estimates)
    assert tasks.agent.nunique() == 3


def test_losses_and_hours_are_the_verdicts() -> None:
    assert of_decision.HOUR_MS == HOUR_MS == decided.HOUR_MS
    assert pytest.approx(losses.LOG_CAP / losses.ONE) == of_decision.LOG_CAP


async def test_a_batch_that_comes_again_changes_nothing(
    settings: Settings, vault: VaultStage
) -> None:
    batch = records(some_decisions(50))
    await vault.apply(None, batch)
    before = [table(settings, f"gnomon_{name}") for name in ("tasks", "predictions")]
    await vault.apply(None, batch)
    await vault.apply(None, batch[20:])
    after = [table(settings, f"gnomon_{name}") for name in ("tasks", "predictions")]
    for one, other in zip(before, after, strict=True):
        order = list(one.columns[:4])
        pd.testing.assert_frame_equal(
            one.sort_values(order, ignore_index=True), other.sort_values(order, ignore_index=True)
        )


async def test_a_decision_with_another_end_takes_the_place_of_the_first(
    settings: Settings, vault: VaultStage
) -> None:
    first = a_decision(1)
    second = msgspec.structs.replace(
        first,
        predictions=[ModelPrediction(model="gnomon", version="9", duration_s=5.0)],
        outcome=msgspec.structs.replace(first.outcome, at_ms=first.outcome.at_ms + 86_400_000),
    )
    for each in (first, second):
        await vault.apply(None, records([each]))
    assert table(settings, "gnomon_tasks").ended_at_ms.tolist() == [second.outcome.at_ms]
    assert table(settings, "gnomon_predictions").version.tolist() == ["9"]


async def test_no_numbers_without_their_sealed_row(settings: Settings, vault: VaultStage) -> None:
    refused = msgspec.structs.replace(
        a_decision(2), outcome=Outcome(status="matched", at_ms=2**63, duration_s=1.0)
    )
    outputs = await vault.apply(None, records([a_decision(1), refused, a_decision(3)]))
    assert [dead.record.offset for dead in outputs.dead] == [1]
    stored = ["d-00001", "d-00003"]
    for name in ("decisions", "tasks", "predictions"):
        assert sorted(table(settings, f"gnomon_{name}").decision_id) == stored


async def test_agents_and_types_are_hashes_that_stay(settings: Settings) -> None:
    """A second process, and one after a restart, gives an agent the same hash."""
    for number in range(3):
        async with started(settings) as stage:
            await stage.apply(None, records([a_decision(number)]))
    tasks = table(settings, "gnomon_tasks")
    for column, clear in (("agent", "agent-7"), ("task_type", "refactor")):
        assert tasks[column].nunique() == 1
        assert tasks[column][0] != clear
        assert len(tasks[column][0]) == 16
    with closing(DecisionStore(settings.store_url)) as store:
        assert store.index_keys.get("default") is not None


async def test_no_file_of_the_store_has_a_text_of_an_agent(tmp_path: Path) -> None:
    """Also while the store is open, and in the write-ahead log."""
    marker = "payroll-of-the-board"
    create_key_file(tmp_path / "kek.key")
    folder = tmp_path / "store"
    settings = Settings(data_dir=str(tmp_path), store_url=f"sqlite:///{folder}/store.db")
    made = [
        msgspec.structs.replace(
            a_decision(number, note=marker, task_id=marker), agent_id=marker, task_type=marker
        )
        for number in range(500)
    ]
    async with started(settings) as stage:
        await stage.apply(None, records(made))
        while_open = [path.read_bytes() for path in folder.iterdir()]
    assert any(b"d-00499" in content for content in while_open)
    for content in (*while_open, *(path.read_bytes() for path in folder.iterdir())):
        assert marker.encode() not in content


async def test_the_operator_may_have_ids_in_clear(settings: Settings) -> None:
    in_clear = Settings(data_dir=settings.data_dir, store_url=settings.store_url, query_ids="clear")
    long_name = "name\0" * 5_000
    decision = msgspec.structs.replace(a_decision(1), agent_id=long_name)
    async with started(in_clear) as stage:
        outputs = await stage.apply(None, records([decision, a_decision(2)]))
        assert not outputs.dead
    assert sorted(table(settings, "gnomon_tasks").agent)[0] == "agent-7"


def metrics(n: int, *, version: str = "4", of: str = "all", verdict: Any = None) -> ModelMetrics:
    maybe = ("mae_s", "control_mae_s", "median_error_s", "within_25", "improvement", "accuracy")
    figures: dict[str, Any] = dict.fromkeys((*maybe, "control_accuracy", "brier"))
    for field in ModelMetrics.__struct_fields__:
        if field.endswith("_sum") or field in {"n_success", "partition"}:
            figures[field] = 0
    figures |= {"verdict": verdict, "blocked_by": ["improvement", "accuracy"]}
    return ModelMetrics(model="gnomon", version=version, slice=of, window="all", n=n, **figures)


def written(offset: int, event: ModelMetrics | Ledger, *, at_ms: int) -> Record:
    key = (
        f"{event.version}|{event.slice}".encode() if isinstance(event, ModelMetrics) else b"ledger"
    )
    topic = COMPARISON_METRICS.name
    return Record(offset, codec.encode(event), topic=topic, timestamp=at_ms, key=key)


async def test_of_metrics_and_ledger_the_last_of_each_hour_stays(
    settings: Settings, vault: VaultStage
) -> None:
    batch = [
        written(0, metrics(1), at_ms=5 * HOUR_MS),
        written(1, metrics(2, verdict="CONTINUE"), at_ms=5 * HOUR_MS + 1),
        written(2, metrics(9, of="agent:x"), at_ms=5 * HOUR_MS + 1),
        written(3, Ledger(partition=0, predictions=3, matched=3), at_ms=5 * HOUR_MS + 2),
        Record(4, b"no json", topic=COMPARISON_METRICS.name),
        written(5, metrics(3, verdict="GO"), at_ms=6 * HOUR_MS),
    ]
    await vault.apply(None, batch)
    await vault.apply(None, [*batch[4:], written(6, metrics(4, version="5"), at_ms=6 * HOUR_MS)])

    found = table(settings, "gnomon_metrics").sort_values(["hour", "version"])
    columns = ["hour", "version", "n", "verdict"]
    assert found[columns].replace({np.nan: None}).values.tolist() == [
        [5, "4", 2, "CONTINUE"],
        [6, "4", 3, "GO"],
        [6, "5", 4, None],
    ]
    assert set(found.blocked_by) == {"improvement,accuracy"}
    ledger = table(settings, "gnomon_ledger")
    assert ledger[["hour", "predictions", "matched"]].values.tolist() == [[5, 3, 3]]
