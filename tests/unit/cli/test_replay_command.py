"""What ``gnomon replay`` refuses before it publishes anything, and what ``--dry-run`` shows."""

from pathlib import Path

import pytest

from gnomon.cli.main import main
from gnomon.replay.source import FIELDS, PRESETS
from gnomon.replay.source.words import KNOWN, Ended

Said = pytest.CaptureFixture[str]
CASES = Path(__file__).parents[1] / "replay" / "source" / "cases"


def test_it_needs_runs_or_a_model(capsys: Said) -> None:
    assert main(["replay"]) == 2
    assert "needs FILE, or --model" in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--brokers", "host:1"], ["--speed", "2"], ["--dry-run"]])
def test_a_replay_with_a_model_publishes_nothing(options: list[str], capsys: Said) -> None:
    assert main(["replay", "--model", "gnomon@1", *options]) == 2
    assert "publishes nothing" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["gnomon", "@1", "gnomon@"])
def test_a_version_is_named_with_its_model(name: str, capsys: Said) -> None:
    with pytest.raises(SystemExit):
        main(["replay", "--model", name])
    assert "expected NAME@VERSION" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--preset", "jenkins"], "expected one of airflow, celery, langfuse"),
        (["--map", "id=run_id"], "expected FIELD=COLUMN with a field of run_id, agent_id"),
        (["--unit", "duration_s=days"], "duration_s: s, ms, us, ns, min, h"),
        (["--unit", "started_at=h"], "started_at: s, ms, us, ns"),
        (["--success-values", "ok"], "line 2: success: expected a word for success (ok)"),
        (["--context", "nothing"], "line 1: no column 'nothing'"),
        (["--map", "agent_id="], "--map agent_id=: names no column"),
        (
            ["--success-values", "a,b", "--failure-values", "b"],
            "--success-values and --failure-values both have 'b'",
        ),
    ],
)
def test_a_wrong_option_is_named_with_what_is_expected(
    options: list[str], said: str, capsys: Said
) -> None:
    assert main(["replay", str(CASES / "words_airflow.csv"), *options, "--dry-run"]) == 2
    assert said in capsys.readouterr().err


def test_the_help_says_what_is_read(capsys: Said) -> None:
    with pytest.raises(SystemExit):
        main(["replay", "--help"])
    said = " ".join(capsys.readouterr().out.split()).replace("mlflow- traces", "mlflow-traces")

    for ended in (Ended.SUCCEEDED, Ended.FAILED):
        assert ", ".join(KNOWN[ended].split()) in said
    for name in (*PRESETS, *FIELDS, "CSV", "JSON lines", "Parquet", "RFC 3339"):
        assert name in said, name


def test_a_dry_run_shows_what_would_be_read(capsys: Said) -> None:
    options = ["--context", "model", "--dry-run"]

    assert main(["replay", str(CASES / "model_mixed.csv"), *options]) == 0

    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == "CSV, separator ',', utf-8"
    assert "  context model           is text, as line 4 has 'o3'" in shown
    first = next(line.split() for line in shown if line.strip().startswith("r0000"))
    assert first == [
        "r0000",
        "a1",
        "fix",
        "2026-03-02T08:00:00.000Z",
        "15.528",
        "failed",
        "model='4.1'",
    ]
    assert shown[-1] == "150 runs: 103 succeeded, 47 failed, 0 were cancelled, 0 have not ended"


def test_a_file_without_runs_is_told(tmp_path: Path, capsys: Said) -> None:
    header = (CASES / "words_airflow.csv").read_text().splitlines()[0]
    (tmp_path / "none.csv").write_text(header + "\n")

    assert main(["replay", str(tmp_path / "none.csv"), "--dry-run"]) == 2
    assert "none.csv has no runs" in capsys.readouterr().err


def test_a_dry_run_shows_what_is_before_a_mistake(capsys: Said) -> None:
    assert main(["replay", str(CASES / "airflow_retry_same_run_id.csv"), "--dry-run"]) == 2
    assert "line 1: no column 'agent_id', 'finished_at'" in capsys.readouterr().err
    names = {"run_id": "id", "agent_id": "name", "task_type": "kind", "started_at": "startTime"}
    names |= {"finished_at": "endTime", "duration_s": "latency", "success": "ok"}
    mapped = [part for pair in names.items() for part in ("--map", "=".join(pair))]
    file = str(CASES / "latency_ms_long.csv")

    assert main(["replay", file, *mapped, "--dry-run"]) == 2

    said = capsys.readouterr()
    assert "t0   support-bot  trace  2026-03-02T08:00:00.000Z" in said.out
    assert "latency is 1,000 times finished_at - started_at in 12 of 12 runs" in said.out
    assert "line 14: latency: 9,120,000 s is refused" in said.err
    assert main(["replay", file, *mapped, "--unit", "duration_s=ms", "--dry-run"]) == 0


def test_the_words_of_the_file_are_named(capsys: Said) -> None:
    options = ["--success-values", "failed", "--failure-values", "*", "--dry-run"]

    assert main(["replay", str(CASES / "words_airflow.csv"), *options]) == 0

    assert "30 runs: 7 succeeded, 23 failed" in capsys.readouterr().out
