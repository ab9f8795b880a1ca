"""The page Drift: how losses change over time, and how far features have moved since training."""

from collections.abc import Mapping

import msgspec

from gnomon.dashboard.views.models import ENOUGH
from gnomon.drift import Drift
from gnomon.store.queries import FigureQueries


class LossAt(msgspec.Struct, frozen=True, kw_only=True):
    """Mean log loss of a version and of control in one bucket, on tasks that both predicted."""

    at_ms: int
    version: str
    n: int
    loss: float
    control_loss: float


class Losses(msgspec.Struct, frozen=True, kw_only=True):
    """Losses over time; ``hidden`` counts buckets with too few tasks."""

    points: list[LossAt]
    hidden: int
    last_ms: int | None


class Feature(msgspec.Struct, frozen=True, kw_only=True):
    """How far one feature has moved since the training of a version."""

    version: str
    feature: str
    word: str
    psi: float
    distance: float | None


def losses(figures: FigureQueries, *, since_ms: int, until_ms: int, bucket_ms: int) -> Losses:
    """Return the losses of each version by buckets with at least ``ENOUGH`` tasks."""
    found = figures.models_over_time(since_ms=since_ms, until_ms=until_ms, bucket_ms=bucket_ms)
    points = [
        LossAt(
            at_ms=each.bucket_ms or 0,
            version=f"{each.model} {each.version}",
            n=each.n_paired,
            loss=each.paired_loss,
            control_loss=each.control_loss,
        )
        for each in found
        if each.n_paired >= ENOUGH
        and each.paired_loss is not None
        and each.control_loss is not None
    ]
    return Losses(points=points, hidden=len(found) - len(points), last_ms=figures.last_ms())


def features(drifts: Mapping[str, Drift]) -> list[Feature]:
    """Return the features of each version, the farthest moved first."""
    return [
        Feature(version=version, feature=name, word=each.word, psi=each.psi, distance=each.distance)
        for version, drift in drifts.items()
        for name, each in drift.features.items()
    ]
