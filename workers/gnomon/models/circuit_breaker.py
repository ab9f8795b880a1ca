"""Decides whether a model version is called: a time budget for its calls, and a circuit breaker.

Pure: the caller measures time and passes it as an argument. The circuit breaker is the pattern that
M. Nygard describes in "Release It!" (2007): a part that fails again and again is not called for a
while, and then one call tests whether it works again.
"""

import math
from dataclasses import dataclass
from typing import Final, Literal

State = Literal["closed", "open", "half-open"]
"""``closed``: called; ``open``: not called; ``half-open``: one call is being made as a trial."""

MAX_PAUSE_S: Final = 3600.0
"""Longest pause. Each trial that goes wrong doubles the pause before the next trial."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLimits:
    """Limits of the calls of one model version.

    Attributes:
        budget_ms: Time that the call for a batch may take; 0 means as long as it takes.
        budget_task_ms: Further time for each task of the batch.
        grace_s: How much longer than the budget a batch waits for the answer.
        failures_in_a_row: Calls in a row that must go wrong before the version is skipped.
        pause_s: How long it is skipped before the first trial.
    """

    budget_ms: float = 200.0
    budget_task_ms: float = 0.5
    grace_s: float = 5.0
    failures_in_a_row: int = 5
    pause_s: float = 30.0

    def budget_s(self, tasks: int) -> float:
        """Return how many seconds the call for ``tasks`` tasks may take; infinity without a budget."""
        if not self.budget_ms:
            return math.inf
        return (self.budget_ms + self.budget_task_ms * tasks) / 1000

    def wait_s(self, tasks: int) -> float:
        """Return how many seconds a batch of ``tasks`` tasks waits for the answer."""
        return self.budget_s(tasks) + self.grace_s


class CircuitBreaker:
    """The circuit breaker of one model version.

    A call goes wrong if it raises an error, takes longer than its budget, or is abandoned. Results of
    calls that end while the breaker is open are ignored: they were begun before it opened.

    Args:
        limits: When it opens, and for how long.

    Attributes:
        state: Whether the version is called.
        reason: Why the version is skipped; ``None`` while the breaker is closed.
    """

    def __init__(self, limits: CallLimits) -> None:
        self.state: State = "closed"
        self.reason: str | None = None
        self._limits = limits
        self._in_a_row = 0
        self._pause_s = limits.pause_s
        self._trial_at_s = -math.inf

    def admits(self, now_s: float) -> bool:
        """Return whether to call the version now; after a pause, ``True`` makes this call the trial."""
        if self.state == "open" and now_s >= self._trial_at_s:
            self.state = "half-open"
            return True
        return self.state == "closed"

    def answered(self, *, took_s: float, tasks: int, now_s: float) -> bool:
        """Note that a call returned predictions; return whether it kept to its budget."""
        budget_s = self._limits.budget_s(tasks)
        if took_s > budget_s:
            self.failed(f"{took_s * 1000:.0f} ms, allowed are {budget_s * 1000:.0f} ms", now_s)
            return False
        if self.state != "open":
            self.state, self.reason = "closed", None
            self._in_a_row, self._pause_s = 0, self._limits.pause_s
        return True

    def failed(self, what: str, now_s: float) -> None:
        """Note that a call went wrong; ``what`` is shown to operators."""
        if self.state == "open":
            return
        self._in_a_row += 1
        if self.state == "half-open":
            self._pause_s = min(2 * self._pause_s, MAX_PAUSE_S)
        elif self._in_a_row < self._limits.failures_in_a_row:
            return
        self._open(f"{self._in_a_row} calls in a row went wrong, the last with {what}", now_s)

    def abandoned(self, waited_s: float, now_s: float) -> None:
        """Note that nobody waits for a call any longer; the breaker opens at the first one."""
        if self.state == "half-open":
            self._pause_s = min(2 * self._pause_s, MAX_PAUSE_S)
        if self.state != "open":
            self._open(f"no answer within {waited_s:.1f} s", now_s)

    def cancelled(self, now_s: float) -> None:
        """Note that the result of a call will never be known; a trial may be repeated at once."""
        if self.state == "half-open":
            self.state, self._trial_at_s = "open", now_s

    def trial_in_s(self, now_s: float) -> float | None:
        """Return the seconds until the next trial; ``None`` unless the breaker is open."""
        return max(0.0, self._trial_at_s - now_s) if self.state == "open" else None

    def _open(self, reason: str, now_s: float) -> None:
        self.state, self.reason = "open", reason
        self._trial_at_s = now_s + self._pause_s
