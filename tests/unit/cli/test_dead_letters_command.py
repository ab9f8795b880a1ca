"""How dead letters are named and printed."""

import pytest

from gnomon.cli import main
from gnomon.cli.looking.dead_letters import _readable
from gnomon.operations.dead_letters import DeadLetterFilter, DeadLetterRecord


@pytest.mark.parametrize("place", ["", "3", "a:b", "1:2:3", "-1:2", "1:\u0662"])
def test_a_place_is_two_numbers(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["dead-letters", "show", f"x{place}" if place.startswith("-") else place])
    assert ended.value.code == 2
    assert "PARTITION:OFFSET" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (None, "(none)"),
        (b"", ""),
        ('{"x": "h\u00e9"}'.encode(), '{"x": "h\u00e9"}'),
        (b"\xff\x00", "base64:/wA="),
        (b"\x1b[2Jgone", "base64:G1sySmdvbmU="),
    ],
)
def test_a_value_cannot_talk_to_the_terminal(raw: bytes | None, shown: str) -> None:
    assert _readable(raw) == shown


def letter(**headers: str) -> DeadLetterRecord:
    return DeadLetterRecord(partition=1, offset=7, at_ms=0, key=None, value=b"", headers=headers)


def test_what_is_wanted() -> None:
    found = letter(reason="invalid", stage="features")

    assert found in DeadLetterFilter()
    assert found in DeadLetterFilter(reason="invalid", stage="features", ids=frozenset({"1:7"}))
    assert found not in DeadLetterFilter(reason="empty")
    assert found not in DeadLetterFilter(stage="vault")
    assert found not in DeadLetterFilter(ids=frozenset({"7:1"}))


@pytest.mark.parametrize(
    ("about", "source"),
    [
        ({"topic": "task-events", "partition": "3"}, ("task-events", 3)),
        ({"topic": "task-events"}, None),
        ({"topic": "task-events", "partition": "-1"}, None),
        ({"partition": "3"}, None),
    ],
)
def test_where_a_letter_came_from(about: dict[str, str], source: tuple[str, int] | None) -> None:
    assert letter(**about).source == source
