"""A unit's variant: sticky, by weight, kept through a ramp, independent of other experiments."""

import hashlib
from itertools import accumulate, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, chi2_contingency

from gnomon.experiment.assignment import Assignment
from gnomon.experiment.settings import Experiment

NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=12)
UNITS = st.text(min_size=1, max_size=30).filter(lambda text: text.isascii() or text.isprintable())


@st.composite
def experiments(draw: st.DrawFn) -> Experiment:
    names = draw(st.lists(NAMES, min_size=2, max_size=6, unique=True))
    cuts = draw(
        st.lists(
            st.integers(1, 9_999), min_size=len(names) - 1, max_size=len(names) - 1, unique=True
        )
    )
    edges = [0, *sorted(cuts), 10_000]
    parts = [later - earlier for earlier, later in pairwise(edges)]
    return Experiment(
        name=draw(NAMES),
        variants=dict(zip(names, parts, strict=True)),
        control=draw(st.sampled_from(names)),
        salt=draw(st.text("xyz", max_size=5)),
    )


def by_hand(settings: Experiment, unit: str, share: int) -> str | None:
    """The documented rule, in plain steps."""
    salt = settings.salt or settings.name
    digest = hashlib.sha256(salt.encode() + b"\x00" + unit.encode()).hexdigest()
    slot, rank = int(digest[:16], 16) % 10_000, int(digest[16:32], 16) % 10_000
    if rank >= share:
        return None
    names = sorted(settings.variants)
    ends = accumulate(settings.variants[name] for name in names)
    return next(name for name, end in zip(names, ends, strict=True) if slot < end)


@given(experiment=experiments(), unit=UNITS, share=st.integers(0, 10_000))
@settings(deadline=None)
def test_it_is_the_documented_rule_each_time_anew(
    experiment: Experiment, unit: str, share: int
) -> None:
    expected = by_hand(experiment, unit, share)

    assert Assignment(experiment).variant(unit, share) == expected
    assert Assignment(experiment).variant(unit, share) == expected


@pytest.mark.parametrize(
    ("unit", "variant"),
    [("repo-1", "short"), ("repo-2", "control"), ("repo-3", "control"), ("repo-4", "control")],
)
def test_a_units_variant_is_the_same_for_ever(unit: str, variant: str) -> None:
    """By ``sha256sum``: a release that moves units would break every running experiment."""
    experiment = Experiment(name="shorter-prompts", variants={"control": 5_000, "short": 5_000})

    assert Assignment(experiment).variant(unit, 10_000) == variant


@given(
    experiment=experiments(),
    units=st.lists(UNITS, min_size=1, max_size=50),
    shares=st.lists(st.integers(0, 10_000), min_size=2, max_size=8).map(sorted),
)
@settings(deadline=None)
def test_a_unit_keeps_its_variant_as_the_ramp_rises(
    experiment: Experiment, units: list[str], shares: list[int]
) -> None:
    assignment = Assignment(experiment)
    for unit in units:
        given_at = [assignment.variant(unit, share) for share in shares]
        taking_part = [variant for variant in given_at if variant is not None]
        assert len(set(taking_part)) <= 1
        assert given_at == [None] * (len(shares) - len(taking_part)) + taking_part
        assert assignment.variant(unit, 10_000) is not None
        assert assignment.variant(unit, 0) is None


@given(experiment=experiments(), share=st.sampled_from([100, 1_000, 5_000, 10_000]))
@settings(max_examples=25, deadline=None)
def test_variants_have_their_weights_at_every_share(experiment: Experiment, share: int) -> None:
    """Within exact binomial bounds; a p of 1e-7 for each of a few hundred looks."""
    assignment = Assignment(experiment)
    given_to = [assignment.variant(f"unit-{n}", share) for n in range(20_000)]
    taking_part = [variant for variant in given_to if variant is not None]

    assert binomtest(len(taking_part), 20_000, share / 10_000).pvalue > 1e-7
    for name, parts in experiment.variants.items():
        hits = taking_part.count(name)
        assert binomtest(hits, len(taking_part), parts / 10_000).pvalue > 1e-7


@pytest.mark.parametrize("pair", [("a", "b"), ("shorter-prompts", "shorter-prompts2"), ("1", "2")])
def test_two_salts_are_independent(pair: tuple[str, str]) -> None:
    variants = {"control": 5_000, "x": 3_000, "y": 2_000}
    first, second = (
        Assignment(Experiment(name="same", salt=salt, variants=variants)) for salt in pair
    )
    table = [[0] * 3 for _ in range(3)]
    order = sorted(variants)
    for n in range(30_000):
        one, other = first.variant(f"u{n}", 10_000), second.variant(f"u{n}", 10_000)
        table[order.index(one or "")][order.index(other or "")] += 1

    assert chi2_contingency(table).pvalue > 1e-6


def test_who_takes_part_is_independent_of_the_variant() -> None:
    assignment = Assignment(Experiment(name="e", variants={"control": 5_000, "x": 5_000}))
    table = [[0, 0], [0, 0]]
    for n in range(30_000):
        variant = assignment.variant(f"u{n}", 10_000)
        early = assignment.variant(f"u{n}", 2_000)
        table[variant == "x"][early is not None] += 1

    assert chi2_contingency(table).pvalue > 1e-6


def test_the_order_of_variants_in_a_file_decides_nothing() -> None:
    one = Assignment(Experiment(name="e", variants={"control": 2_000, "b": 3_000, "c": 5_000}))
    other = Assignment(Experiment(name="e", variants={"c": 5_000, "b": 3_000, "control": 2_000}))

    assert [one.variant(f"{n}", 10_000) for n in range(500)] == [
        other.variant(f"{n}", 10_000) for n in range(500)
    ]
