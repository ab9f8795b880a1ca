"""Settings are fixed by their hash."""

import hashlib
import json

import pytest

from gnomon.verdict import VerdictSettings, read_settings


def test_the_defaults_are_those_of_the_definition() -> None:
    settings = VerdictSettings()
    assert (settings.delta, settings.alpha, settings.accuracy) == (0.2, 0.05, 0.75)
    assert (settings.min_decisions, settings.min_active_hours, settings.min_blocks) == (
        1000,
        24,
        30,
    )
    assert (settings.max_unresolved, settings.clip_quantile, settings.drill_days) == (
        0.05,
        0.99,
        30,
    )


def test_the_hash_is_that_of_sorted_json_without_spaces() -> None:
    settings = VerdictSettings(t_star=30)
    text = json.dumps(json.loads(settings.canonical()), sort_keys=True, separators=(",", ":"))
    assert settings.canonical().decode() == text
    assert settings.sha256() == hashlib.sha256(text.encode()).hexdigest()


def test_the_way_it_is_written_does_not_matter() -> None:
    one = read_settings(b'{"alpha": 0.1, "accuracy": 0.8, "min_answered": 1}')
    other = read_settings(b'{ "min_answered":1.0,"accuracy":8e-1,"alpha":0.10, "delta": 0.2}')
    assert one.sha256() == other.sha256()
    assert (
        VerdictSettings(mature_after_s=30).sha256() == VerdictSettings(mature_after_s=30.0).sha256()
    )


@pytest.mark.parametrize("field", json.loads(VerdictSettings().canonical()))
def test_every_field_changes_the_hash(field: str) -> None:
    fields = json.loads(VerdictSettings().canonical())
    other = {"reference": "type", "clip_s": {"control": 3.0}, "drills": [], "mature_after_s": 5.0}
    other |= {"sure_against_every": True, "judged_baselines": ["type"]}
    value = fields[field]
    fields[field] = other.get(field, value / 2 if isinstance(value, float) else 77)
    assert read_settings(json.dumps(fields).encode()).sha256() != VerdictSettings().sha256()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"delta": 1}',
        '{"delta": -0.1}',
        '{"alpha": 0}',
        '{"alpha": 0.5}',
        '{"detla": 0.2}',
        '{"t_star": 0}',
        '{"reference": "gnomon"}',
        '{"clip_s": {"model": 3}}',
        '{"clip_s": {"control": 0}}',
        '{"min_blocks": 2}',
        '{"delta": "0.2"}',
        "\xff",
    ],
)
def test_what_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_settings(text.encode("latin-1"))
