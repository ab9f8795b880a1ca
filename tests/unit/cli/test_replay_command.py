"""What ``gnomon replay`` refuses before it reads anything."""

import pytest

from gnomon.cli.main import main

Said = pytest.CaptureFixture[str]


def test_it_needs_runs_or_a_model(capsys: Said) -> None:
    assert main(["replay"]) == 2
    assert "needs FILE.csv, or --model" in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--brokers", "host:1"], ["--speed", "2"]])
def test_a_replay_with_a_model_publishes_nothing(options: list[str], capsys: Said) -> None:
    assert main(["replay", "--model", "gnomon@1", *options]) == 2
    assert "publishes nothing" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["gnomon", "@1", "gnomon@"])
def test_a_version_is_named_with_its_model(name: str, capsys: Said) -> None:
    with pytest.raises(SystemExit):
        main(["replay", "--model", name])
    assert "expected NAME@VERSION" in capsys.readouterr().err
