"""Words for success: those of other systems, in any spelling, and those that somebody names."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.replay.source.reading_files import CASES, csv_of, good_but, read

from gnomon.replay.source import Columns, read_export
from gnomon.replay.source.words import TRUTH, Ended

TRUE = ["true", "T", "YES", "y", "1", "1.0", "1.00", "Success", "succeeded", "passed", "PASS", "ok"]
FALSE = [
    "False",
    "f",
    "no",
    "N",
    "0",
    "0.0",
    "failed",
    "FAILURE",
    "Error",
    "timed out",
    "Timed-Out",
]


def succeeded(folder: Path, *words: str, columns: Columns | None = None) -> list[bool | None]:
    rows = [good_but(run_id=f"r{i}", success=word) for i, word in enumerate(words)]
    found = read(folder, csv_of(*rows), columns)
    assert found.error is None, found.error
    return [run.finished.succeeded if run.finished else None for run in found.runs]


def test_the_words_of_airflow_are_known() -> None:
    found = read_export(CASES / "words_airflow.csv", Columns())

    assert found.error is None
    assert sum(run.finished.succeeded for run in found.runs if run.finished) == 23
    assert len(found.runs) == 30


def test_common_vocabularies_are_known(tmp_path: Path) -> None:
    assert succeeded(tmp_path, *TRUE) == [True] * len(TRUE)
    assert succeeded(tmp_path, *FALSE) == [False] * len(FALSE)


@given(st.sampled_from([*TRUE, *FALSE]), st.data())
def test_case_and_white_space_say_nothing(word: str, data: st.DataObject) -> None:
    spelt = "".join(data.draw(st.sampled_from([c.lower(), c.upper()])) for c in word)
    padded = (
        data.draw(st.sampled_from(["", " ", "\t"])) + spelt + data.draw(st.sampled_from(["", " "]))
    )

    assert TRUTH.of(padded) is (Ended.SUCCEEDED if word in TRUE else Ended.FAILED)


ascii_words = st.text("abcdefghij0123456789", min_size=1, max_size=6)


@given(ascii_words, ascii_words, ascii_words)
def test_named_words_replace_the_known_ones(good: str, bad: str, other: str) -> None:
    if good == bad or other in {good, bad}:
        return
    words = TRUTH.replaced([good], [bad])

    assert words.of(good) is Ended.SUCCEEDED
    assert words.of(bad) is Ended.FAILED
    with pytest.raises(ValueError, match="--success-values"):
        words.of(f"{other}!")


def test_zero_as_an_exit_code_means_success(tmp_path: Path) -> None:
    """A known word for success that was not named must not go on to mean it."""
    columns = Columns(words=TRUTH.replaced(["0"], ["*"]))

    assert succeeded(tmp_path, "0", "1", "137", columns=columns) == [True, False, False]
    with pytest.raises(ValueError, match=r"for success \(0\)"):
        TRUTH.replaced(["0"], []).of("1")


def test_the_error_lists_words_for_both_and_how_to_name_others(tmp_path: Path) -> None:
    found = read(tmp_path, csv_of(good_but(success="grün")))

    said = str(found.error)
    assert "line 2: success: expected a word for success (true, t, yes, y, 1, success" in said
    assert "or for failure (false, f, no, n, 0, failure" in said
    assert "got 'grün'; name others with --success-values and --failure-values" in said


def test_cancelled_skipped_and_running_rows_are_none_of_both(tmp_path: Path) -> None:
    rows = [
        good_but(run_id="c", success="Canceled"),
        good_but(run_id="s", success="skipped"),
        good_but(run_id="r", success="running"),
        good_but(run_id="q", success="queued", started_at="", finished_at=""),
    ]

    found = read(tmp_path, csv_of(*rows))

    cancelled, running = found.runs
    assert cancelled.cancelled is not None
    assert cancelled.cancelled.cancelled_at_ms == 1_772_438_460_000
    assert (cancelled.finished, running.end) == (None, None)
    assert found.left_out == {"success is 'skipped'": 1, "it has not begun: no started_at": 1}
