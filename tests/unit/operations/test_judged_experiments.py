"""The verdicts on experiments that a command leaves for the dashboard."""

from pathlib import Path

import pytest
from tests.integration.dashboard.fake_source import judged

from gnomon.errors import ConfigurationError
from gnomon.operations.judged_experiments import read_judged, write_judged


def test_the_last_verdict_on_each_experiment_is_read_back(tmp_path: Path) -> None:
    assert read_judged(str(tmp_path)) == []
    for each in (judged("a", at_ms=1), judged("b", at_ms=3), judged("a", at_ms=2, units=9)):
        write_judged(str(tmp_path), each)

    assert read_judged(str(tmp_path)) == [
        judged("b", at_ms=3),
        judged("a", at_ms=2, units=9),
    ]
    assert {path.suffix for path in (tmp_path / "experiments").iterdir()} == {".json"}


@pytest.mark.parametrize("text", ["", '{"at_ms": 1', "\xff", "[]"])
def test_half_a_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "a.json").write_bytes(text.encode("latin-1"))

    with pytest.raises(ConfigurationError, match=r"a\.json: no record of a verdict"):
        read_judged(str(tmp_path))


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "experiments").write_text("a file")

    with pytest.raises(ConfigurationError, match="cannot write"):
        write_judged(str(tmp_path), judged("a", at_ms=1))
