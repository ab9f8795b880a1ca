"""What a drill measured, and the rule by which it is judged. Pure."""

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Final, Literal

import msgspec

SLACK: Final = 0.10
"""A difference below a tenth is taken for noise even where the rounds agree better."""
Phase = Literal["up", "killed"]
QUANTILES: Final = {"p50": 0.50, "p99": 0.99}
RULE: Final = (
    "within noise: the middle of the rounds with the client is no higher than the highest round"
    " without it, or than 10 % above the middle of those"
)


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """One round of requests to one service. ``errors`` are requests without a good answer."""

    requests: int
    errors: int
    p50_ms: float
    p99_ms: float


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """One quantile of one phase, in milliseconds: middle, lowest and highest of the rounds."""

    without_ms: float
    without_range_ms: tuple[float, float]
    with_ms: float
    with_range_ms: tuple[float, float]
    limit_ms: float
    within_noise: bool


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of one drill, as they are written to ``report.json``.

    Attributes:
        rounds: Of each phase and each service.
        compared: By phase (``up``: broker and workers run; ``killed``), then quantile.
        request_errors: Requests without a good answer, of both services.
        service_errors: Exceptions that left a handler, of both services.
        events: The client's figures: at the end of ``up``, and at the end.
        exit_s: How long the service with the client took to end; ``None``: it was killed.
    """

    drill: str
    at_ms: int
    rate_per_s: float
    round_s: float
    rounds: int
    requests: int
    compared: Mapping[Phase, Mapping[str, Compared]]
    request_errors: int
    service_errors: int
    events: Mapping[str, Mapping[str, int]]
    exit_s: float | None
    passed: bool
    rule: str = RULE


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest of ``values`` that ``share`` of them do not exceed.

    Raises:
        ValueError: There is none.
    """
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def round_of(latencies_ms: Sequence[float], *, errors: int) -> Round:
    """The figures of one round; quantiles are infinite where no request was answered."""
    found = {
        name: quantile(latencies_ms, share) if latencies_ms else math.inf
        for name, share in QUANTILES.items()
    }
    return Round(
        requests=len(latencies_ms) + errors,
        errors=errors,
        p50_ms=found["p50"],
        p99_ms=found["p99"],
    )


def compare(without: Sequence[Round], with_client: Sequence[Round]) -> dict[str, Compared]:
    """Judge each quantile of one phase by ``RULE``."""
    return {
        name: _compared(
            [getattr(one, f"{name}_ms") for one in without],
            [getattr(one, f"{name}_ms") for one in with_client],
        )
        for name in QUANTILES
    }


def _compared(without: Sequence[float], with_client: Sequence[float]) -> Compared:
    middle = median(without)
    limit = max(*without, middle * (1 + SLACK))
    return Compared(
        without_ms=middle,
        without_range_ms=(min(without), max(without)),
        with_ms=median(with_client),
        with_range_ms=(min(with_client), max(with_client)),
        limit_ms=limit,
        within_noise=median(with_client) <= limit,
    )
