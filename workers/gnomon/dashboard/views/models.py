"""The page Models: versions side by side, and one version: calibration, residuals, importance."""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote, urlsplit

import msgspec

from gnomon.models.registry.versions import VersionInfo
from gnomon.store.queries import Calibration, FigureQueries, Model, Residuals

ENOUGH: Final = 30
"""Fewer tasks than this say nothing of an error, so only their number is shown."""
MOST_INPUTS: Final = 15


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """A version's errors in a period; ``None`` until ``n_paired`` is ``ENOUGH``."""

    model: str
    version: str
    n: int
    n_paired: int
    mae_s: float | None
    control_mae_s: float | None
    improvement: float | None
    coverage_80: float | None
    brier: float | None


class Detail(msgspec.Struct, frozen=True, kw_only=True):
    """One version in a period."""

    calibration: list[Calibration]
    residuals: list[Residuals]


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A registered version, as the registry knows it."""

    version: str
    aliases: str
    created_at_ms: int
    author: str
    sha256: str
    mae_s: float | None
    control_mae_s: float | None
    accuracy: float | None


def compared(figures: FigureQueries, *, since_ms: int, until_ms: int) -> list[Compared]:
    """Return the errors of each version in a period."""
    return [of_model(each) for each in figures.models(since_ms=since_ms, until_ms=until_ms)]


def of_model(found: Model) -> Compared:
    """Return a version's errors, hidden while there are too few tasks."""
    enough = found.n_paired >= ENOUGH
    return Compared(
        model=found.model,
        version=found.version,
        n=found.n,
        n_paired=found.n_paired,
        mae_s=found.paired_mae_s if enough else None,
        control_mae_s=found.control_mae_s if enough else None,
        improvement=found.improvement if enough else None,
        coverage_80=found.coverage_80 if found.n_80 >= ENOUGH else None,
        brier=found.brier if enough else None,
    )


def detail(
    figures: FigureQueries, model: str, version: str, *, since_ms: int, until_ms: int
) -> Detail:
    """Return calibration and residuals of one version."""
    period = {"since_ms": since_ms, "until_ms": until_ms}
    return Detail(
        calibration=figures.calibration(model, version, **period),
        residuals=figures.residuals(model, version, **period),
    )


def listed(versions: Sequence[VersionInfo]) -> list[Listed]:
    """Return the registered versions for a table."""
    return [
        Listed(
            version=each.version,
            aliases=", ".join(each.aliases),
            created_at_ms=each.created_at_ms,
            author=each.author or "",
            sha256=(each.sha256 or "")[:12],
            mae_s=each.metrics.get("mae_s"),
            control_mae_s=each.metrics.get("control_mae_s"),
            accuracy=each.metrics.get("accuracy"),
        )
        for each in versions
    ]


def page_of(mlflow_uri: str, name: str, version: str) -> str | None:
    """Return the page of a version, with its run, if an MLflow server has it; never with a password."""
    parts = urlsplit(mlflow_uri)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return None
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path.rstrip('/')}/#/models/{quote(name)}/versions/{quote(version)}"


def largest(importance: Mapping[str, float]) -> list[tuple[str, float]]:
    """Return the inputs that matter most, the most important first."""
    return sorted(importance.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST_INPUTS]
