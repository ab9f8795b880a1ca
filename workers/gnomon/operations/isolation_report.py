"""Reads how much the client slowed a service down in the last isolation drill."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal, Self

import msgspec

COMMAND: Final = "gnomon drill isolation"
Phase = Literal["up", "killed"]
Quantile = Literal["p50", "p99"]
_PHASES: Final[Mapping[Phase, str]] = {"up": "broker up", "killed": "after the kill"}
_QUANTILES: Final[tuple[Quantile, ...]] = ("p50", "p99")


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """One quantile of a service's response time without and with the client, in milliseconds.

    ``None`` means not measured, for example because no request was answered.
    """

    without_ms: float | None
    with_ms: float | None
    ratio: float | None


class ProductionImpact(msgspec.Struct, frozen=True, kw_only=True):
    """The results of one drill.

    Attributes:
        measured_at_ms: Start of the drill, epoch milliseconds.
        passed: Whether the drill passed.
        latency: By phase (``up``: broker and workers run; ``killed``), then quantile.
    """

    measured_at_ms: int
    passed: bool
    latency: Mapping[Phase, Mapping[Quantile, Latency]]


class _Drill(msgspec.Struct, frozen=True):
    """The fields of a drill's report that are used here."""

    at_ms: int
    passed: bool
    compared: Mapping[Phase, Mapping[Quantile, Latency]]

    def __post_init__(self) -> None:
        """Refuse a report in which a value is missing."""
        for phase in _PHASES:
            if set(self.compared.get(phase, ())) != set(_QUANTILES):
                raise ValueError(f"phase {phase} is not whole")


class ImpactSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The results, if there are any, and lines to print."""

    impact: ProductionImpact | None
    lines: tuple[str, ...]

    @classmethod
    def of(cls, data_dir: str | Path) -> Self:
        """Read the report of the last drill in ``data_dir``; an unusable report counts as none."""
        path = report_path(data_dir)
        try:
            drill = msgspec.json.decode(path.read_bytes(), type=_Drill)
            lines = _format_lines(drill)
        except OSError as error:
            reason = "" if isinstance(error, FileNotFoundError) else f", {path}: {error.strerror}"
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, OverflowError):
            reason = f", {path} is no report of a drill"
        else:
            impact = ProductionImpact(
                measured_at_ms=drill.at_ms, passed=drill.passed, latency=drill.compared
            )
            return cls(impact=impact, lines=lines)
        return cls(
            impact=None,
            lines=(f"production impact: not measured{reason}; to measure it: {COMMAND}",),
        )


def report_path(data_dir: str | Path) -> Path:
    """Return the path of a drill's report."""
    return Path(data_dir) / "drills" / "isolation" / "report.json"


def _format_lines(drill: _Drill) -> tuple[str, ...]:
    at = datetime.fromtimestamp(drill.at_ms / 1_000, UTC)
    verdict = "PASS" if drill.passed else "FAIL"
    head = f"production impact: {verdict}, measured {at:%Y-%m-%d %H:%M} UTC by {COMMAND}"
    return (head, *(f"  {words}: {_figures(drill, phase)}" for phase, words in _PHASES.items()))


def _figures(drill: _Drill, phase: Phase) -> str:
    figures = drill.compared[phase]
    return "; ".join(
        f"{name} {_number(one.without_ms, 1)} ms without, {_number(one.with_ms, 1)} ms with the"
        f" client (x {_number(one.ratio, 2)})"
        for name in _QUANTILES
        for one in (figures[name],)
    )


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
