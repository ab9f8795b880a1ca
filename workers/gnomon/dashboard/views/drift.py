"""The page Drift: how losses change over time, and how far features have moved since training."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Final

import msgspec

from gnomon.dashboard.views.models import ENOUGH
from gnomon.drift import Drift
from gnomon.store.queries import FigureQueries, Model

WIDER: Final = (1, 4, 12, 84)
"""By how much buckets are widened where most have too few tasks."""


class LossAt(msgspec.Struct, frozen=True, kw_only=True):
    """Mean log loss of a version and of control in one bucket, on tasks that both predicted."""

    at_ms: int
    version: str
    n: int
    loss: float
    control_loss: float


class Losses(msgspec.Struct, frozen=True, kw_only=True):
    """Losses over time, in buckets of ``bucket_ms``; ``hidden`` counts those with too few tasks."""

    points: list[LossAt]
    hidden: int
    bucket_ms: int
    last_ms: int | None


class Feature(msgspec.Struct, frozen=True, kw_only=True):
    """How far one feature has moved since the training of a version."""

    version: str
    feature: str
    word: str
    psi: float
    distance: float | None


def losses(figures: FigureQueries, *, since_ms: int, until_ms: int, bucket_ms: int) -> Losses:
    """Return the losses of each version by buckets with at least ``ENOUGH`` tasks.

    Where most buckets of ``bucket_ms`` have fewer, they are taken together.
    """
    read = figures.models_over_time(since_ms=since_ms, until_ms=until_ms, bucket_ms=bucket_ms)
    for times in WIDER:
        found = _together(read, bucket_ms=times * bucket_ms)
        points = [each for each in found if each.n >= ENOUGH]
        if 2 * len(points) >= len(found):
            break
    return Losses(
        points=points,
        hidden=len(found) - len(points),
        bucket_ms=times * bucket_ms,
        last_ms=figures.last_ms(),
    )


def _together(read: Sequence[Model], *, bucket_ms: int) -> list[LossAt]:
    """Return the mean losses of wider buckets, in the order of time."""

    def place(each: Model) -> tuple[int, str, str]:
        return (each.bucket_ms or 0) // bucket_ms * bucket_ms, each.model, each.version

    known = [each for each in read if each.paired_loss is not None]
    found = []
    for (at_ms, model, version), grouped in groupby(sorted(known, key=place), key=place):
        parts = list(grouped)
        n = sum(each.n_paired for each in parts)
        found.append(
            LossAt(
                at_ms=at_ms,
                version=f"{model} {version}",
                n=n,
                loss=sum(each.n_paired * (each.paired_loss or 0.0) for each in parts) / n,
                control_loss=sum(each.n_paired * (each.control_loss or 0.0) for each in parts) / n,
            )
        )
    return found


def features(drifts: Mapping[str, Drift]) -> list[Feature]:
    """Return the features of each version, the farthest moved first."""
    return [
        Feature(version=version, feature=name, word=each.word, psi=each.psi, distance=each.distance)
        for version, drift in drifts.items()
        for name, each in drift.features.items()
    ]
