"""Tests of ``gnomon replay``: the report, every topic, and a store without plaintext."""

import json
import math
from pathlib import Path
from typing import Any

import duckdb
import pytest
from tests.integration.replay.recorded import RUNS, TRAIN_EVERY, Replayed
from tests.support.commands import gnomon, processes_of

from gnomon.cli.main import main

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(180)]

TOPICS = {
    "task-events": 2 * RUNS,
    "task-features": RUNS,
    "comparisons": RUNS,
    "decisions": RUNS,
    "dead-letters": 0,
}
"""Number of records of those topics for which it is fixed."""
FIGURES = {
    "name",
    "version",
    "n",
    "mae_s",
    "control_mae_s",
    "improvement",
    "accuracy",
    "control_accuracy",
    "within_25",
    "brier",
    "against",
    "strongest",
    "coverage_80",
    "intervals",
    "expired",
}


def test_the_report_has_its_fields_and_an_exact_ledger(replayed: Replayed) -> None:
    report = replayed.report

    assert set(report) == {
        *("tasks", "ledger", "models", "shadow", "seconds", "tasks_per_s", "production_impact")
    }
    assert report["production_impact"] is None
    assert "production impact: not measured; to measure it: gnomon drill isolation" in (
        replayed.printed
    )
    assert report["tasks"] == RUNS
    nothing = ("pending", "expired", "cancelled", "duplicate", "late", "orphan", "shed", "unread")
    assert {name: n for name, n in report["ledger"].items() if name != "incomplete"} == {
        "predictions": RUNS,
        "matched": RUNS,
        **dict.fromkeys(nothing, 0),
    }
    assert [(row["name"], row["version"]) for row in report["models"]] == [
        ("control", "0"),
        ("same-type", "0"),
        ("type", "0"),
        ("gnomon", "1"),
        ("gnomon", "2"),
    ]
    assert all(set(row) == FIGURES for row in [*report["models"], report["shadow"]])
    assert report["seconds"] > 0
    assert report["tasks_per_s"] == pytest.approx(RUNS / report["seconds"], abs=0.1)
    assert f"{RUNS} tasks in" in replayed.printed
    assert f"matched {RUNS}" in replayed.printed


def test_every_topic_is_written_whole(replayed: Replayed) -> None:
    written = {path.stem: len(path.read_text().splitlines()) for path in replayed.out.iterdir()}

    others = {
        "agent-features",
        "audit",
        "shadow-predictions",
        "comparison-metrics",
        "client-stats",
        "control",
        "exposures",
        "interval-corrections",
        "verdict-evidence",
        "vault-roots",
        "model-switches",
    }
    assert set(written) == set(TOPICS) | others
    assert {topic: written[topic] for topic in TOPICS} == TOPICS
    predictors = [len(decision["predictions"]) for decision in replayed.records("comparisons")]
    assert written["shadow-predictions"] == sum(predictors)
    assert min(predictors) == 3


def test_figures_are_those_of_the_comparisons(replayed: Replayed) -> None:
    decisions = replayed.records("comparisons")

    for row in replayed.report["models"]:
        made = [
            (said, decision["outcome"])
            for decision in decisions
            for said in decision["predictions"]
            if (said["model"], said["version"]) == (row["name"], row["version"])
        ]
        timed = [
            (abs(said["duration_s"] - ended["duration_s"]), ended["duration_s"])
            for said, ended in made
            if said["duration_s"] is not None
        ]
        rated = [
            (said["success_probability"], ended["succeeded"])
            for said, ended in made
            if said["success_probability"] is not None
        ]
        assert row["n"] == len(timed) == len(rated)
        assert row["mae_s"] == pytest.approx(math.fsum(e for e, _ in timed) / len(timed), abs=1e-5)
        right = [(p >= 0.5) == succeeded for p, succeeded in rated]
        assert row["accuracy"] == pytest.approx(sum(right) / len(rated))
        assert row["within_25"] == pytest.approx(sum(e <= 0.25 * s for e, s in timed) / len(timed))


def test_versions_are_compared_with_every_baseline_and_the_strongest_is_named(
    replayed: Replayed,
) -> None:
    newest = replayed.report["models"][-1]
    tasks = [
        (
            {said["model"]: said["duration_s"] for said in d["predictions"]},
            d["outcome"]["duration_s"],
        )
        for d in replayed.records("comparisons")
        if newest["version"] in _versions(d)
    ]

    assert set(newest["against"]) == {"control", "same-type", "type"}
    for name, beside in newest["against"].items():
        both = [(said["gnomon"], said[name], y) for said, y in tasks if said[name] is not None]
        assert beside["n"] == len(both) > 20
        mae_s, its_s = (math.fsum(abs(row[at] - row[2]) for row in both) for at in (0, 1))
        assert beside["mae_s"] == pytest.approx(mae_s / len(both))
        assert beside["baseline_mae_s"] == pytest.approx(its_s / len(both))
        assert beside["improvement"] == pytest.approx(1 - mae_s / its_s)
    assert newest["strongest"] in newest["against"]
    assert "strongest" in replayed.printed


def test_a_run_is_predicted_only_by_what_finished_runs_taught(replayed: Replayed) -> None:
    decisions = replayed.records("comparisons")
    ends_ms = sorted(decision["outcome"]["at_ms"] for decision in decisions)

    for version in (1, 2):
        taught_until_ms = ends_ms[version * TRAIN_EVERY - 1]
        asked = [d for d in decisions if str(version) in _versions(d)]
        assert len(asked) > 20
        assert all(decision["started_at_ms"] >= taught_until_ms for decision in asked)
    later = [d for d in decisions if d["started_at_ms"] > ends_ms[TRAIN_EVERY - 1]]
    assert all(_versions(decision) - {"0"} for decision in later)


def _versions(decision: dict[str, Any]) -> set[str]:
    return {said["version"] for said in decision["predictions"]}


ROLLING = """
WITH runs AS (
    SELECT run_id, agent_id,
           epoch_ms(strptime(started_at, '%Y-%m-%dT%H:%M:%S.%gZ')) AS started_ms,
           epoch_ms(strptime(finished_at, '%Y-%m-%dT%H:%M:%S.%gZ')) AS finished_ms,
           duration_s::DOUBLE AS duration_s,
           (success = 'True')::INT AS success,
           nullif(code_review_iterations, '')::INT AS reviews
    FROM read_csv(?, all_varchar = true)
), log AS (
    SELECT agent_id, run_id, started_ms AS at_ms, NULL AS duration_s, NULL AS success, NULL AS reviews
    FROM runs
    UNION ALL
    SELECT agent_id, NULL, finished_ms, duration_s, success, reviews FROM runs
)
SELECT run_id, n, mean_s, success, reviews FROM (
    SELECT run_id, count(duration_s) OVER hour AS n, avg(duration_s) OVER hour AS mean_s,
           avg(success) OVER hour AS success, avg(reviews) OVER hour AS reviews
    FROM log
    WINDOW hour AS (
        PARTITION BY agent_id ORDER BY at_ms
        RANGE BETWEEN 3599999 PRECEDING AND CURRENT ROW)
) WHERE run_id IS NOT NULL
"""
"""(t - 1 h, t] in whole milliseconds, of the agent's finishes, at each start."""


def test_rolling_features_are_duckdbs_range_window(replayed: Replayed) -> None:
    with duckdb.connect() as connection:
        rows = connection.execute(ROLLING, [str(replayed.csv)]).fetchall()
    expected = {run_id: figures for run_id, *figures in rows}

    found = replayed.records("task-features")

    assert {record["task_id"] for record in found} == set(expected)
    for record in found:
        features = record["features"]
        names = ("avg_execution_time_1h", "success_rate_1h", "code_review_iterations")
        count, *means = expected[record["task_id"]]
        assert features.get("tasks_completed_1h", 0) == count
        assert [features.get(name) for name in names] == [
            None if mean is None else pytest.approx(mean, rel=0, abs=1e-9) for mean in means
        ]
    assert sum(count > 3 for count, *_ in expected.values()) > 50
    assert sum(reviews is not None for *_, reviews in expected.values()) > 50


LONG_ENOUGH = 6


def words(replayed: Replayed) -> set[str]:
    """Texts that must not be readable: every agent, every type of task, and every run.

    Very short ones are left out: in megabytes of ciphertext, three letters occur by chance.
    """
    said = {
        decision[name]
        for decision in replayed.records("comparisons")
        for name in ("agent_id", "task_type", "task_id")
    }
    return {word for word in said if len(word) >= LONG_ENOUGH}


def test_nothing_of_the_decisions_can_be_read_in_the_store(replayed: Replayed) -> None:
    files = list(replayed.data.glob("store.db*"))
    stored = b"".join(path.read_bytes() for path in files)
    open_text = (replayed.out / "comparisons.jsonl").read_bytes()

    assert all(word.encode() in open_text for word in words(replayed))
    assert [word for word in sorted(words(replayed)) if word.encode() in stored] == []
    ids = [decision["decision_id"] for decision in replayed.records("comparisons")]
    assert all(decision_id.encode() in stored for decision_id in ids)


def test_the_vault_gives_each_decision_back_to_who_has_the_key(
    replayed: Replayed, tmp_path: Path
) -> None:
    decision = replayed.records("comparisons")[7]
    settings = {"GNOMON_DATA_DIR": str(replayed.data)}

    for wanted in (decision["task_id"], decision["decision_id"]):
        done = gnomon("vault", "read", wanted, "--json", **settings)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == decision
    other = gnomon("vault", "read", "no such run", **settings)
    assert (other.returncode, other.stdout) == (1, "")
    (tmp_path / "none").mkdir()
    keyless = gnomon(
        *("vault", "read", decision["task_id"]),
        **settings,
        GNOMON_KEY_FILE=str(tmp_path / "none" / "kek.key"),
    )
    assert (keyless.returncode, keyless.stdout) == (2, "")


def test_nothing_runs_on_after_a_replay(replayed: Replayed) -> None:
    assert processes_of(replayed.data) == {}


def test_a_registered_version_predicts_the_history_as_it_did_live(
    replayed: Replayed,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """From the file and from the vault, and again with the same bytes."""
    monkeypatch.setenv("GNOMON_DATA_DIR", str(replayed.data))

    def scores(name: str, versions: str, *arguments: str) -> bytes:
        models = [part for version in versions for part in ("--model", f"gnomon@{version}")]
        out, report = tmp_path / name, tmp_path / f"{name}.json"
        assert (
            main(["replay", *arguments, *models, "--out", str(out), "--report", str(report)]) == 0
        )
        assert capsys.readouterr().out.startswith("REPLAYED: ")
        return (out / "replayed.jsonl").read_bytes() + report.read_bytes()

    from_file = scores("file", "12", str(replayed.csv))
    assert scores("again", "12", str(replayed.csv)) == from_file
    assert scores("vault", "2").count(b"replayed_decision.v1") == RUNS

    now = {name: predictions_of(tmp_path / name) for name in ("file", "vault")}
    names = ("duration_s", "success_probability", "parts")
    compared = {"file": 0, "vault": 0}
    for decision in replayed.records("comparisons"):
        for said in decision["predictions"]:
            for source, found in now.items():
                made = found.get((decision["decision_id"], said["model"], said["version"]))
                if said["model"] == "gnomon" and made is not None:
                    assert [made[name] for name in names] == [said[name] for name in names]
                    assert made["sha256"] == said["sha256"]
                    assert made["unseen"] is True
                    compared[source] += 1
    assert compared["file"] > 150
    assert compared["vault"] > 50


def test_a_decision_is_explained_by_the_versions_that_predicted_it(
    replayed: Replayed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GNOMON_DATA_DIR", str(replayed.data))
    decision = next(d for d in replayed.records("comparisons") if "2" in _versions(d))

    assert main(["explain", decision["decision_id"], "--json"]) == 0

    told = json.loads(capsys.readouterr().out)
    *_, made = told["predictions"]
    assert (made["sha256"], made["missing"]) == (decision["predictions"][-1]["sha256"], None)
    assert made["reproduced"] is True
    assert (made["explanation"]["type"], set(made["explanation"]["parts"])) == (
        "mix",
        {"pool", "boosted"},
    )
    error_s = abs(made["duration_s"] - decision["outcome"]["duration_s"])
    assert made["losses"]["absolute_error_s"] == pytest.approx(error_s)
    assert told["outcome"] == decision["outcome"]


def predictions_of(folder: Path) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Those that ``gnomon replay --model`` wrote, by decision, model and version."""
    lines = (folder / "replayed.jsonl").read_text().splitlines()
    return {
        (decision["decision_id"], made["model"], made["version"]): made
        for decision in map(json.loads, lines)
        for made in decision["predictions"]
    }
