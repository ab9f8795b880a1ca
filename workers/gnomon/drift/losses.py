"""Computes losses between 0 and 1, and detects when their mean has changed."""

import math
from typing import Final, Literal, Self

import msgspec

from gnomon.drift.adwin import Adwin
from gnomon.drift.page_hinkley import PageHinkley

WORST_FACTOR: Final = 10.0
"""A prediction that is wrong by this factor or more has the loss 1."""

Detector = Literal["adwin", "page-hinkley"]


def scaled_loss(predicted_s: float, actual_s: float) -> float:
    """Return ``min(|ln((predicted + 1) / (actual + 1))|, ln 10) / ln 10``, between 0 and 1.

    Args:
        predicted_s: Predicted duration in seconds; at least 0.
        actual_s: Actual duration in seconds; at least 0.

    Raises:
        ValueError: One of them is negative or not a number.
    """
    if not (predicted_s >= 0.0 and actual_s >= 0.0):
        raise ValueError(f"durations must be at least 0, got {predicted_s} and {actual_s}")
    if math.inf in {predicted_s, actual_s}:
        return float(predicted_s != actual_s)
    off_by = abs(math.log((predicted_s + 1.0) / (actual_s + 1.0)))
    return min(off_by / math.log(WORST_FACTOR), 1.0)


class LossChange(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A detected change of the mean loss.

    Attributes:
        detector: The detector that found the change.
        at_ms: Time of the loss at which it was found, in epoch milliseconds.
        before: Mean loss before the change, according to the detector.
        after: Mean loss since the change.
        worsened: Whether the mean has risen.
    """

    detector: Detector
    at_ms: int
    before: float
    after: float
    worsened: bool


class _State(msgspec.Struct, array_like=True):
    """The stored form of a watch."""

    version: int
    adwin: bytes
    page_hinkley: bytes
    recent: list[float]


_VERSION: Final = 1
_RECENT: Final = 30


class LossWatch:
    """Watches the losses of one model with two detectors, in constant memory (about 2 kB).

    ADWIN finds every change of the mean, improvements too. Page-Hinkley finds a large rise sooner.

    Args:
        adwin: Detector of changes in both directions.
        page_hinkley: Detector of rises.
    """

    def __init__(self, adwin: Adwin | None = None, page_hinkley: PageHinkley | None = None) -> None:
        self._adwin = Adwin() if adwin is None else adwin
        self._page_hinkley = PageHinkley() if page_hinkley is None else page_hinkley
        self._recent: list[float] = []

    def update(self, loss: float, at_ms: int) -> LossChange | None:
        """Add the loss of the next decision; return the change that it completes, if any.

        Raises:
            ValueError: ``loss`` is not between 0 and 1: on other values ADWIN gives false alarms.
        """
        if not 0.0 <= loss <= 1.0:
            raise ValueError(f"a loss must be between 0 and 1, got {loss}")
        self._recent = [*self._recent[1 - _RECENT :], loss]
        rose = self._page_hinkley.update(loss)
        if self._adwin.update(loss):
            before, after = self._adwin.mean_before, self._adwin.mean
            return LossChange(
                detector="adwin",
                at_ms=at_ms,
                before=before,
                after=after,
                worsened=after > before,
            )
        if rose:
            return LossChange(
                detector="page-hinkley",
                at_ms=at_ms,
                before=self._page_hinkley.mean,
                after=sum(self._recent) / len(self._recent),
                worsened=True,
            )
        return None

    def snapshot(self) -> bytes:
        """Return the state as bytes that ``restore`` reads."""
        return msgspec.msgpack.encode(
            _State(_VERSION, self._adwin.snapshot(), self._page_hinkley.snapshot(), self._recent)
        )

    @classmethod
    def restore(cls, data: bytes) -> Self:
        """Return the watch whose ``snapshot`` returned ``data``.

        Raises:
            msgspec.DecodeError: ``data`` is no snapshot of this class, or one of another version.
        """
        state = msgspec.msgpack.decode(data, type=_State)
        if state.version != _VERSION:
            raise msgspec.DecodeError(f"version {state.version} of a watch, expected {_VERSION}")
        made = cls(Adwin.restore(state.adwin), PageHinkley.restore(state.page_hinkley))
        made._recent = state.recent
        return made
