"""The verifier accepts a run without faults, and finds every kind of deviation."""

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.faults.calm import APPENDED_MS, calm_run
from tests.faults.inflict import KINDS, plan
from tests.faults.stream import BEFORE_NOW_MS, Sent, stream
from tests.faults.verifying.checks import CHECKS, Check
from tests.faults.verifying.tables import Spans
from tests.faults.verifying.verify import Findings, verify

SPANS = Spans(lateness_ms=120_000, expire_ms=3_600_000)
EVENTS, AGENTS, SEED = 2_000, 16, 7
Line = dict[str, Any]
Alter = Callable[[list[Line]], object]
OF_RECORDS = [check for check in CHECKS if not check.last]


def by_name(check: Check) -> str:
    return check.name


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dump of a run without faults."""
    folder = tmp_path_factory.mktemp("calm")
    calm_run(folder, seed=SEED, events=EVENTS, agents=AGENTS)
    return folder


@pytest.fixture
def altered(calm: Path, tmp_path: Path) -> Callable[..., Findings]:
    """Verify the run with the lines of some files altered."""

    def after(**alter: Alter) -> Findings:
        for path in calm.glob("*.jsonl"):
            name = path.stem.replace("-", "_")
            if name not in alter:
                shutil.copy(path, tmp_path)
                continue
            lines = lines_of(path)
            alter[name](lines)
            text = "\n".join(map(json.dumps, lines))
            (tmp_path / path.name).write_text(text + "\n", encoding="utf-8")
        return verify(tmp_path, SPANS)

    return after


def everywhere(alter: Callable[[Check], Alter]) -> dict[str, Alter]:
    """An alteration of every file of records."""
    return {check.name.replace("-", "_"): alter(check) for check in OF_RECORDS}


def test_a_run_without_faults_is_clean(calm: Path) -> None:
    findings = verify(calm, SPANS)
    assert findings.samples == {}
    assert findings.clean
    assert all(findings.records.values())


@pytest.fixture(scope="module")
def torn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dump of a run in which a tenth of the events of a partition were lost unread."""
    folder = tmp_path_factory.mktemp("torn")
    calm_run(folder, seed=SEED, events=EVENTS, agents=AGENTS, unread=(0.4, 0.5))
    return folder


def test_lost_events_are_expected_to_be_lost_and_nothing_that_lacks_them_looks_complete(
    torn: Path, tmp_path: Path
) -> None:
    findings = verify(torn, SPANS)
    assert findings.samples == {}
    assert findings.clean
    assert findings.ledger["unread"] > 50
    assert findings.lacking > 10

    shutil.copytree(torn, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "task-features.jsonl"
    lines = lines_of(path)
    for line in lines:
        line["value"]["completeness"]["hour_seen"] = 1.0
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")

    assert verify(tmp_path, SPANS).by_topic["completeness"]["wrong"] == findings.lacking


def test_lost_events_that_are_not_told_are_found(torn: Path, tmp_path: Path) -> None:
    shutil.copytree(torn, tmp_path, dirs_exist_ok=True)
    (tmp_path / "holes.jsonl").write_text("")

    findings = verify(tmp_path, SPANS)
    assert findings.by_topic["task-features"]["missing"] > 10
    assert not findings.ledger_exact


def test_the_stream_has_tasks_with_every_outcome(calm: Path) -> None:
    """Otherwise nothing would be compared."""
    ledger = verify(calm, SPANS).ledger
    for name in ("matched", "pending", "expired", "cancelled", "duplicate", "late", "orphan"):
        assert ledger[name] > 0, name
    lines = lines_of(calm / "task-features.jsonl")
    assert any(line["value"]["completeness"]["late_dropped"] for line in lines)
    assert any(line["value"]["features"]["tasks_completed_1h"] > 5 for line in lines)
    assert any(line["value"]["features"]["agent_runs"] == 20 for line in lines)
    told = [line["value"] for line in lines_of(calm / "client-stats.jsonl")]
    assert len({client["producer_id"] for client in told}) == 8
    assert sum(client["repeated"] for client in told) > 20


def test_some_events_arrive_long_after_events_with_higher_numbers(calm: Path) -> None:
    newest: dict[tuple[int, str], int] = {}
    behind = []
    for line in lines_of(calm / "task-events.jsonl"):
        value = line["value"]
        if isinstance(value, dict) and "seq" in value:
            place = (line["partition"], value["producer_id"])
            behind.append(newest.get(place, 0) - value["seq"])
            newest[place] = max(newest.get(place, 0), value["seq"])
    assert sum(seqs > 10 for seqs in behind) > 20


def test_missing_records_are_found(altered: Callable[..., Findings]) -> None:
    """One record of every topic, each of another task."""
    findings = altered(**everywhere(lambda check: lambda lines: lines.pop(OF_RECORDS.index(check))))
    assert {name: of["missing"] for name, of in findings.by_topic.items()} == dict.fromkeys(
        (check.name for check in OF_RECORDS), 1
    )
    assert not findings.clean


def test_repeated_records_are_found(altered: Callable[..., Findings]) -> None:
    findings = altered(
        **everywhere(lambda _: lambda lines: lines.extend((lines[3], lines[3], lines[4])))
    )
    assert findings.by_topic == {check.name: {"twice": 3} for check in OF_RECORDS}
    assert not findings.clean


@pytest.mark.parametrize("check", OF_RECORDS, ids=by_name)
def test_unexpected_records_are_found(altered: Callable[..., Findings], check: Check) -> None:
    key = check.columns[check.key[1 if "task_id" in check.key else -1]]
    findings = altered(**{check.name.replace("-", "_"): lambda lines: change(lines[5], key)})
    assert findings.by_topic[check.name] == {"missing": 1, "wrong": 1}
    assert not findings.clean


@pytest.mark.parametrize("check", CHECKS, ids=by_name)
def test_every_column_that_differs_is_found(altered: Callable[..., Findings], check: Check) -> None:
    """Each column in another record, by a millionth where it is no integer."""
    # A later time is valid, because features decay. An earlier one has a test of its own below.
    columns = [
        column for name, column in check.columns.items() if name not in (*check.key, "as_of_ms")
    ]

    def falsify(lines: list[Line]) -> None:
        latest = list({line["key"]: line for line in lines}.values()) if check.last else lines
        for line, column in zip(latest[:: len(latest) // len(columns)], columns, strict=False):
            change(line, column)

    findings = altered(**{check.name.replace("-", "_"): falsify})
    assert findings.by_topic[check.name] == {"wrong": len(columns)}
    assert not findings.clean


def test_an_agent_without_features_is_found(altered: Callable[..., Findings]) -> None:
    def forget(lines: list[Line]) -> None:
        lines[:] = [line for line in lines if line["key"] != lines[0]["key"]]

    assert altered(agent_features=forget).by_topic["agent-features"] == {"missing": 1}


def test_features_older_than_the_agents_newest_event_are_found(
    altered: Callable[..., Findings],
) -> None:
    def lag(lines: list[Line]) -> None:
        lines.remove({line["key"]: line for line in lines}[lines[0]["key"]])

    assert altered(agent_features=lag).by_topic["agent-features"] == {"wrong": 1}


@pytest.mark.parametrize("name", ["pending", "incomplete"])
def test_a_ledger_that_is_off_by_one_is_found(altered: Callable[..., Findings], name: str) -> None:
    def miscount(lines: list[Line]) -> None:
        ledgers = [line for line in lines if line["value"]["kind"] == "ledger.v1"]
        ledgers[-1]["value"][name] += 1

    findings = altered(comparison_metrics=miscount)
    assert not findings.ledger_exact
    assert not findings.clean


def test_a_ledger_that_did_not_add_up_at_any_time_is_found(
    altered: Callable[..., Findings],
) -> None:
    def miscount(lines: list[Line]) -> None:
        ledgers = [line for line in lines if line["value"]["kind"] == "ledger.v1"]
        ledgers[0]["value"]["matched"] += 1

    assert "ledger_identity" in altered(comparison_metrics=miscount).samples


def test_a_partition_that_gets_nothing_after_the_topic_was_made_again_keeps_its_counts(
    altered: Callable[..., Findings],
) -> None:
    def begin_life(lines: list[Line]) -> None:
        of_first = next(line for line in lines if line["partition"] == 0)
        lines.append({**of_first, "life": 1, "offset": 0, "size": None, "value": None, "raw": None})

    def begin_counts(lines: list[Line]) -> None:
        last = [line for line in lines if line["key"] == "ledger|p0"][-1]
        zeros = {n: 0 if isinstance(found, int) else found for n, found in last["value"].items()}
        lines.append({**last, "life": 1, "offset": last["offset"] + 1, "value": zeros})

    findings = altered(task_events=begin_life, comparison_metrics=begin_counts)
    assert findings.ledger_exact
    assert sum(findings.ledger.values()) > 100
    assert "comparison-metrics" not in findings.by_topic


@pytest.mark.parametrize(("n", "wrong"), [(0, {}), (1, {"wrong": 1})])
def test_metrics_after_the_topic_was_made_again_are_those_of_its_tasks(
    altered: Callable[..., Findings], n: int, wrong: dict[str, int]
) -> None:
    def begin_counts(lines: list[Line]) -> None:
        last = [line for line in lines if line["key"] == "control|0|all|all|p0"][-1]
        counts = {k: 0 if isinstance(found, int) else found for k, found in last["value"].items()}
        value = {**counts, "n": n}
        lines.append({**last, "life": 1, "offset": last["offset"] + 1, "value": value})

    findings = altered(comparison_metrics=begin_counts)
    assert findings.by_topic.get("comparison-metrics", {}) == wrong


@pytest.mark.parametrize("name", ["n", "absolute_error_us_sum"])
def test_wrong_metrics_of_the_control_are_found(
    altered: Callable[..., Findings], name: str
) -> None:
    def miscount(lines: list[Line]) -> None:
        of_control = [line for line in lines if line["key"] == "control|0|all|all|p0"]
        of_control[-1]["value"][name] += 5_000 if name == "absolute_error_us_sum" else 1

    findings = altered(comparison_metrics=miscount)
    assert findings.by_topic["comparison-metrics"] == {"wrong": 1}


def test_the_expected_values_follow_from_the_input(altered: Callable[..., Findings]) -> None:
    """With one event less in the log, the same outputs are wrong."""

    def forget(lines: list[Line]) -> None:
        finishes = [
            line
            for line in lines
            if isinstance(line["value"], dict) and line["value"].get("kind") == "task_finished.v1"
        ]
        lines.remove(finishes[len(finishes) // 2])

    findings = altered(task_events=forget)
    assert findings.by_topic["comparisons"]["wrong"] > 0
    assert not findings.ledger_exact


def test_the_stream_is_determined_by_its_seed() -> None:
    assert sent(seed=1) == sent(seed=1) != sent(seed=2)


def test_every_reason_to_refuse_is_in_the_stream() -> None:
    reasons = Counter(record.poison for record in sent(seed=1) if record.poison)
    assert set(reasons) == {
        "clock_ahead", "empty", "invalid", "not_json", "oversize", "unknown_kind",
    }  # fmt: skip


def test_each_kind_of_fault_occurs_before_any_is_repeated() -> None:
    kinds = Counter(fault.kind for fault in plan(seed=5, faults=2 * len(KINDS), seconds=60.0))
    assert set(kinds.values()) == {2}
    assert len(kinds) == len(KINDS)


def sent(*, seed: int) -> list[Sent]:
    return stream(seed=seed, events=3_000, agents=20, begin_ms=APPENDED_MS - BEFORE_NOW_MS)


def lines_of(path: Path) -> list[Line]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def change(line: Line, column: tuple[str, str]) -> None:
    """Change the value at a column's path."""
    path, kind = column
    *parents, last = path.removeprefix("$.").replace("[0]", ".0").split(".")
    at: Any = line["value"]
    for name in parents:
        at = at[int(name)] if isinstance(at, list) else at[name]
    at[last] = _other(at.get(last), kind)


def _other(value: Any, kind: str) -> Any:
    if isinstance(value, list):
        return [*value, value[0]]
    if isinstance(value, dict):
        return value | {"task_type": "another"}
    if kind == "VARCHAR":
        return f"{value}x"
    if kind == "BOOLEAN":
        return not value
    if kind == "DOUBLE":
        return 0.5 if value is None else value + 1e-6 * max(1.0, abs(value))
    return 1 if value is None else int(value) + 1


def test_wrong_sums_of_the_live_verdict_are_found(altered: Callable[..., Findings]) -> None:
    def last(lines: list[Line], kind: str) -> Line:
        of_it = [line["value"] for line in lines if (line["value"] or {}).get("kind") == kind]
        found: Line = of_it[-1]["against"]["control"]
        return found

    def rows(lines: list[Line]) -> None:
        last(lines, "model_evidence.v1")["log_loss"]["blocks"][5] += 1

    def hours(lines: list[Line]) -> None:
        last(lines, "hour_evidence.v1")["log_loss"][0] += 1

    for alter in (rows, hours):
        assert altered(verdict_evidence=alter).by_topic == {"verdict-evidence": {"wrong": 1}}


def test_predictions_of_a_model_that_is_not_live_are_found(
    altered: Callable[..., Findings],
) -> None:
    def another(lines: list[Line]) -> None:
        lines[-1]["value"]["models"].append({"model": "m", "version": "1", "sha256": None})

    found = altered(model_switches=another).by_topic
    assert found.keys() == {"model-switches"}
    assert found["model-switches"]["wrong"] > 100
