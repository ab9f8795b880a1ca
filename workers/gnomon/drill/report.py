"""The report of a drill, and the rule that decides whether it passes. Pure."""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, median, stdev
from typing import Final, Literal

import msgspec

TOLERATED_DIFFERENCE: Final = 0.10
"""A difference of 10 % counts as noise, however well the rounds agree."""
STANDARD_ERRORS: Final = 2.33
"""One-sided limit that chance exceeds in one of a hundred drills."""
MAX_LIMIT: Final = 1.5
"""Upper bound of any limit: if chance could explain more, the machine is too busy for a result."""
MAX_EXTRA_MS: Final = 1_000.0
Phase = Literal["up", "killed"]
QUANTILES: Final = {"p50": 0.50, "p99": 0.99}
RULE: Final = (
    "p50 and p99 with the client are at most 10 % above those without it, or within what chance"
    " explains (2.33 standard errors of the rounds' mean log ratio), and never more than 50 % above;"
    " no request takes a second longer than the longest without the client; and there are no errors"
)


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """Latencies of one round of requests to one service. ``errors`` counts failed requests."""

    requests: int
    errors: int
    p50_ms: float
    p99_ms: float
    longest_ms: float


class QuantileComparison(msgspec.Struct, frozen=True, kw_only=True):
    """One quantile of the latencies of one phase, without and with the client.

    Attributes:
        without_ms: Median over the rounds, without the client.
        with_ms: Median over the rounds, with the client.
        ratio: Latency with the client divided by without, the geometric mean over the rounds.
        limit: Largest ratio that passes.
        within_noise: Whether ``ratio`` is at most ``limit``.
        without_rounds_ms: Value of each round, without the client.
        with_rounds_ms: Value of each round, with the client, at the same times.
    """

    without_ms: float
    with_ms: float
    ratio: float
    limit: float
    within_noise: bool
    without_rounds_ms: Sequence[float]
    with_rounds_ms: Sequence[float]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Result of one drill, as it is written to ``report.json``.

    Attributes:
        drill: Name of the drill.
        at_ms: When it began, epoch milliseconds.
        rate_per_s: Requests per second to each service.
        round_s: Duration of a round.
        rounds: Rounds of each phase.
        requests: Requests to both services.
        compared: By phase (``up``: broker and workers run; ``killed``), then by quantile.
        longest_ms: The longest request by phase, ``without`` and ``with`` the client.
        request_errors: Failed requests of both services.
        service_errors: Exceptions in the handlers of both services.
        events: The client's counts at the end of phase ``up``, and at the ``end``.
        cpu_s: Processor time of each service, ``without`` and ``with`` the client.
        exit_s: How long the service with the client took to exit; ``None`` if it was killed.
        passed: Whether the drill passed.
        rule: The rule that decides this.
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
    """Return the smallest of ``values`` that at least a ``share`` of them do not exceed.

    Raises:
        ValueError: ``values`` is empty.
    """
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def round_of(latencies_ms: Sequence[float], *, errors: int) -> Round:
    """Summarise one round. The latencies are infinite if no request was answered."""
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
    """Compare each quantile of one phase; both lists have the rounds of the same times, in order."""
    return {
        name: _compared(
            [getattr(one, f"{name}_ms") for one in without],
            [getattr(one, f"{name}_ms") for one in with_client],
        )
        for name in QUANTILES
    }


def longest(rounds: Sequence[Round]) -> float:
    """Return the longest latency of all rounds, in milliseconds."""
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
