"""What a drill measured, and the rule by which it is judged. Pure."""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, median, stdev
from typing import Final, Literal

import msgspec

TOLERATED_DIFFERENCE: Final = 0.10
"""A difference of a tenth is taken for noise, however well the rounds agree."""
STANDARD_ERRORS: Final = 2.33
"""One-sided, so much comes by chance in one of a hundred drills."""
MAX_LIMIT: Final = 1.5
"""Of any limit: on a machine so busy that more than this could be chance, nothing is shown."""
MAX_EXTRA_MS: Final = 1_000.0
Phase = Literal["up", "killed"]
QUANTILES: Final = {"p50": 0.50, "p99": 0.99}
RULE: Final = (
    "p50 and p99 with the client are at most 10 % above those without it, or at most what chance"
    " does (2.33 standard errors of the rounds' mean log ratio), but half more is never chance; no request takes a second longer"
    " than the longest without it; no errors"
)


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """One round of requests to one service. ``errors`` are requests without a good answer."""

    requests: int
    errors: int
    p50_ms: float
    p99_ms: float
    longest_ms: float


class QuantileComparison(msgspec.Struct, frozen=True, kw_only=True):
    """One quantile of one phase, without and with the client.

    Attributes:
        without_ms: The middle of the rounds; ``with_ms`` likewise.
        ratio: With to without, the geometric mean over the rounds.
        limit: What ``ratio`` may be.
        without_rounds_ms: Each round; ``with_rounds_ms`` likewise, at the same moments.
    """

    without_ms: float
    with_ms: float
    ratio: float
    limit: float
    within_noise: bool
    without_rounds_ms: Sequence[float]
    with_rounds_ms: Sequence[float]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of one drill, as they are written to ``report.json``.

    Attributes:
        rate_per_s: Requests to each service.
        rounds: Of each phase.
        compared: By phase (``up``: broker and workers run; ``killed``), then quantile.
        longest_ms: The longest request by phase, ``without`` and ``with`` the client.
        request_errors: Requests without a good answer, of both services.
        service_errors: Exceptions that left a handler, of both services.
        events: The client's figures: at the end of ``up``, and at the end.
        cpu_s: Processor time of each service, ``without`` and ``with`` the client.
        exit_s: How long the service with the client took to end; ``None``: it was killed.
    """

    drill: str
    at_ms: int
    rate_per_s: float
    round_s: float
    rounds: int
    requests: int
    compared: Mapping[Phase, Mapping[str, QuantileComparison]]
    longest_ms: Mapping[Phase, Mapping[str, float]]
    request_errors: int
    service_errors: int
    events: Mapping[str, Mapping[str, int]]
    cpu_s: Mapping[str, float]
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
    """The figures of one round; they are infinite where no request was answered."""
    answered = latencies_ms or [math.inf]
    return Round(
        requests=len(latencies_ms) + errors,
        errors=errors,
        p50_ms=quantile(answered, QUANTILES["p50"]),
        p99_ms=quantile(answered, QUANTILES["p99"]),
        longest_ms=max(answered),
    )


def compare(
    without: Sequence[Round], with_client: Sequence[Round]
) -> dict[str, QuantileComparison]:
    """Judge each quantile of one phase; the rounds of both are of the same moments, in order."""
    return {
        name: _compared(
            [getattr(one, f"{name}_ms") for one in without],
            [getattr(one, f"{name}_ms") for one in with_client],
        )
        for name in QUANTILES
    }


def longest(rounds: Sequence[Round]) -> float:
    """The longest request of all, in milliseconds."""
    return max(one.longest_ms for one in rounds)


def _compared(without: Sequence[float], with_client: Sequence[float]) -> QuantileComparison:
    ratio, limit = math.inf, 1 + TOLERATED_DIFFERENCE
    if all(map(math.isfinite, (*without, *with_client))):
        logs = [math.log(b / a) for a, b in zip(without, with_client, strict=True)]
        error = stdev(logs) / math.sqrt(len(logs)) if len(logs) > 1 else 0.0
        ratio = math.exp(fmean(logs))
        limit = min(max(limit, math.exp(STANDARD_ERRORS * error)), MAX_LIMIT)
    return QuantileComparison(
        without_ms=median(without),
        with_ms=median(with_client),
        ratio=ratio,
        limit=limit,
        within_noise=ratio <= limit,
        without_rounds_ms=without,
        with_rounds_ms=with_client,
    )
