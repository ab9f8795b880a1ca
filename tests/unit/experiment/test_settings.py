"""What settings are accepted, and what a ramp says at each time."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gnomon.errors import ConfigurationError
from gnomon.experiment.settings import Experiment, Step, parse

HALVES = {"control": 5_000, "short": 5_000}
DAY_MS = 86_400_000


def ramp(*steps: tuple[int, float], started_at_ms: int = 0, **more: Any) -> Experiment:
    return Experiment(
        name="e",
        variants=HALVES,
        started_at_ms=started_at_ms,
        ramp=tuple(Step(share, hold_s) for share, hold_s in steps),
        **more,
    )


@pytest.mark.parametrize(
    ("now_ms", "share"),
    [
        (999, 0),
        (1_000, 100),
        (1_000 + DAY_MS - 1, 100),
        (1_000 + DAY_MS, 1_000),
        (1_000 + 3 * DAY_MS - 1, 1_000),
        (1_000 + 3 * DAY_MS, 5_000),
        (1_000 + 300 * DAY_MS, 5_000),
    ],
)
def test_a_step_is_held_for_its_time_and_the_last_for_ever(now_ms: int, share: int) -> None:
    experiment = ramp((100, 86_400), (1_000, 172_800), (5_000, 1), started_at_ms=1_000)

    assert experiment.share_at(now_ms)[0] == share


def test_without_a_ramp_everyone_takes_part_from_the_start() -> None:
    experiment = ramp(started_at_ms=50)

    assert experiment.share_at(49) == (0, 50)
    assert experiment.share_at(50)[0] == 10_000


@given(
    shares=st.lists(st.integers(0, 10_000), min_size=1, max_size=6).map(sorted),
    holds=st.lists(st.floats(0, 1_000), min_size=6, max_size=6),
    times=st.lists(st.integers(0, 8_000_000), min_size=2, max_size=20).map(sorted),
)
@settings(deadline=None)
def test_a_share_never_falls_and_changes_when_it_says(
    shares: list[int], holds: list[float], times: list[int]
) -> None:
    experiment = ramp(*zip(shares, holds, strict=False), started_at_ms=100)
    told = [experiment.share_at(now_ms) for now_ms in times]

    assert [share for share, _ in told] == sorted(share for share, _ in told)
    for now_ms, (share, changes_at_ms) in zip(times, told, strict=True):
        assert changes_at_ms > now_ms
        assert experiment.share_at(changes_at_ms - 2)[0] in {share, 0} or changes_at_ms - 2 < now_ms


@pytest.mark.parametrize("off", [{"state": "stopped"}, {"verdict": "STOP-HARM"}])
def test_stopped_or_harmful_nobody_takes_part(off: dict[str, Any]) -> None:
    assert ramp(**off).share_at(10**12)[0] == 0


@pytest.mark.parametrize("word", ["", "GO", "NO-GO", "CONTINUE"])
def test_other_verdicts_change_nothing(word: str) -> None:
    assert ramp(verdict=word).share_at(10**12)[0] == 10_000


GOOD: dict[str, Any] = {"name": "e", "variants": HALVES}


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": "a b"},
        {"name": "x" * 129},
        {"name": None},
        {"variants": {}},
        {"variants": {"control": 10_000}},
        {"variants": {"control": 5_000, "short": 4_999}},
        {"variants": {"control": 5_000, "short": 5_001}},
        {"variants": {"control": 10_000, "short": 0}},
        {"variants": {"control": 11_000, "short": -1_000}},
        {"variants": {"control": 0.5, "short": 0.5}},
        {"variants": {"a": 5_000, "b": 5_000}},
        {"variants": {"control": 5_000, "": 5_000}},
        {"control": "other"},
        {"state": "paused"},
        {"started_at_ms": -1},
        {"ramp": [{"share": 500}, {"share": 499}]},
        {"ramp": [{"share": 10_001}]},
        {"ramp": [{"share": 100, "hold_s": -1}]},
        {"ramp": [{"share": 100, "hold": 5}]},
        {"unheard_of": 1},
    ],
)
def test_settings_that_cannot_be_used_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="experiment"):
        parse({**GOOD, **change})
    with pytest.raises(ConfigurationError, match="experiment"):
        parse(msgspec.json.encode({**GOOD, **change}))


@pytest.mark.parametrize("given_", [b"", b"{", b"[]", "null", 5, None, object(), b"\xff\xfe"])
def test_what_is_no_settings_is_refused(given_: object) -> None:
    with pytest.raises(ConfigurationError, match="experiment"):
        parse(given_)


def test_the_forms_of_settings_are_equal() -> None:
    experiment = Experiment(**GOOD)

    assert parse(GOOD) == experiment
    assert parse(msgspec.json.encode(GOOD)) == experiment
    assert parse(msgspec.json.encode(GOOD).decode()) == experiment
    assert parse(experiment) is experiment


def test_the_hash_is_of_what_decides_a_units_variant_and_nothing_else() -> None:
    experiment = Experiment(**GOOD)

    same: list[dict[str, Any]] = [
        {"state": "stopped"},
        {"verdict": "GO"},
        {"ramp": (Step(5),)},
        {"started_at_ms": 9},
    ]
    assert all(Experiment(**GOOD, **more).sha256 == experiment.sha256 for more in same)
    assert Experiment(**GOOD, salt="e").sha256 == experiment.sha256  # the salt it has anyway
    others: list[dict[str, Any]] = [
        {"name": "f"},
        {"salt": "s"},
        {"control": "short"},
        {"variants": {"control": 4_999, "short": 5_001}},
    ]
    hashes = {Experiment(**{**GOOD, **more}).sha256 for more in others}
    assert len(hashes | {experiment.sha256}) == 5
