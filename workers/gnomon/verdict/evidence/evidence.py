"""Collects the evidence on all models: a state that can be added up over partitions."""

from collections.abc import Collection, Iterator, Sequence

import msgspec

from gnomon.verdict.challenger import Challenger
from gnomon.verdict.evidence.decided import Decided, JudgedPrediction
from gnomon.verdict.evidence.sums import NEVER, Sums
from gnomon.verdict.evidence.task_losses import PendingLosses
from gnomon.verdict.evidence.window import Window
from gnomon.verdict.settings import BASELINES, VerdictSettings


class Evidence(msgspec.Struct, kw_only=True):
    """Everything that a verdict is made of, for all models.

    Attributes:
        settings: The settings with which the evidence was collected.
        window: The constants of the training window.
        challengers: The models by SHA-256, or by name and version if there is none.
        closed_before_hour: No decision can be added to an hour before this one.
    """

    settings: VerdictSettings
    window: Window
    challengers: dict[str, Challenger] = {}
    closed_before_hour: int = 0

    def add(self, decided: Decided, *, watermark_ms: int) -> None:
        """Count one decision, and score it if it is mature. It must not have been added before.

        Args:
            decided: The decision with its outcome.
            watermark_ms: The latest time in the decisions of its agent (epoch milliseconds).

        Raises:
            ValueError: Its hour is closed.
        """
        split = self.split(decided)
        self.count(decided, split)
        if self.is_mature(decided, watermark_ms):
            self.score(decided, split)

    def is_mature(self, decided: Decided, watermark_ms: int) -> bool:
        """Return whether tasks that began with this one but took longer have ended by now."""
        return decided.started_at_ms + self.window.mature_after_ms <= watermark_ms

    def split(self, decided: Decided) -> "Split":
        """Return the baselines' predictions by name, and those of the judged models by their key."""
        return by_key(decided.predictions, self.settings.judged_baselines)

    def count(self, decided: Decided, split: "Split | None" = None) -> None:
        """Count one decision as immature, and score it if it expired.

        Args:
            decided: The decision with its outcome.
            split: Its ``split``, if that is known.

        Raises:
            ValueError: Its hour is closed.
        """
        if decided.started_at_ms < self.settings.registered_at_ms:
            return
        if decided.hour < self.closed_before_hour:
            raise ValueError(
                f"hour {decided.hour} is closed: expected {self.closed_before_hour} or later"
            )
        baselines, models = split or self.split(decided)
        for key, prediction in models.items():
            found = self.challengers.get(key)
            if found is None:
                found = self.challengers[key] = Challenger(prediction.sha256)
            others = _without(baselines, prediction.model)
            found.count(decided, prediction, others)
            if decided.status == "cancelled":
                found.counts.cancelled += 1
            elif decided.status == "expired":
                found.censored(
                    decided, prediction, others, window=self.window, delta=self.settings.delta
                )
            else:
                found.counts.immature += 1

    def score(
        self,
        decided: Decided,
        split: "Split | None" = None,
        *,
        pending: PendingLosses | None = None,
    ) -> None:
        """Score a decision that was counted and is mature now.

        Args:
            decided: The decision, as it was counted.
            split: Its ``split``, if that is known.
            pending: Where the losses are added; by default, to the sums at once.
        """
        if decided.started_at_ms < self.settings.registered_at_ms or decided.status != "matched":
            return
        baselines, models = split or self.split(decided)
        for key, prediction in models.items():
            found = self.challengers.get(key)
            if found is not None:
                found.counts.immature -= 1
                others = _without(baselines, prediction.model)
                scored = found.matured(decided, prediction, others, self.window)
                if pending is None:
                    found.add(decided.agent_id, decided.hour, scored)
                else:
                    pending.add(key, decided.agent_id, decided.hour, scored)

    def settle(self, pending: PendingLosses) -> None:
        """Add the losses that are pending to the sums."""
        for key, agent, hour, scored in pending.take():
            found = self.challengers.get(key)
            if found is not None:
                found.add(agent, hour, scored)

    def close_blocks(self, before_hour: int) -> None:
        """Close the blocks of all hours before ``before_hour``: no decision of these may follow."""
        for sums in self._all_sums():
            sums.close_blocks(before_hour)
        self.closed_before_hour = max(self.closed_before_hour, before_hour)

    def close_hours(self, before_hour: int = NEVER) -> None:
        """Close the hours before ``before_hour``, after the states of all partitions were merged."""
        for sums in self._all_sums():
            sums.close_hours(before_hour)
        self.closed_before_hour = max(self.closed_before_hour, before_hour)

    def merge(self, other: "Evidence") -> None:
        """Add the evidence of another partition; ``other`` is not changed.

        Raises:
            ValueError: The settings, the window, or the hour up to which blocks are closed differ, or
                hours are closed.
        """
        if self.settings != other.settings or self.window != other.window:
            raise ValueError(
                f"settings {other.settings.sha256()} are not those of this experiment,"
                f" {self.settings.sha256()}, or the training window is another"
            )
        if self.closed_before_hour != other.closed_before_hour:
            raise ValueError(
                f"blocks are closed up to hour {self.closed_before_hour}"
                f" and {other.closed_before_hour}: expected the same"
            )
        for key, theirs in other.challengers.items():
            self.challengers.setdefault(key, Challenger(theirs.sha256)).merge(theirs)

    def encode(self) -> bytes:
        """Encode the state as canonical JSON: equal states give equal bytes."""
        fields = msgspec.to_builtins(self, str_keys=True)
        fields["settings"] = msgspec.Raw(self.settings.canonical())
        return msgspec.json.encode(fields, order="sorted")

    @classmethod
    def decode(cls, data: bytes, settings: VerdictSettings) -> "Evidence":
        """Decode a state that ``encode`` wrote.

        Raises:
            ValueError: ``data`` is no such state, or was collected with other settings: changed
                settings are a new experiment.
        """
        try:
            read = msgspec.json.decode(data, type=cls)
        except msgspec.DecodeError as error:
            raise ValueError(f"no evidence: {error}") from error
        if read.settings != settings:
            raise ValueError(
                f"this evidence was gathered under settings {read.settings.sha256()},"
                f" not {settings.sha256()}: begin a new experiment"
            )
        return read

    def forget(self, before_hour: int, kept: Collection[tuple[int, str]]) -> None:
        """Forget the blocks and totals of the hours before ``before_hour``; see ``Sums.forget``."""
        for sums in self._all_sums():
            sums.forget(before_hour, kept)

    def _all_sums(self) -> Iterator[Sums]:
        for challenger in self.challengers.values():
            yield from challenger.all_sums()


Split = tuple[dict[str, JudgedPrediction], dict[str, JudgedPrediction]]
"""Predictions of baselines by name, and of models by their key."""


def by_key(
    predictions: Sequence[JudgedPrediction], judged_baselines: Collection[str] = ()
) -> Split:
    """Return baselines by name and models by their key; of several with one key, the least as text.

    Args:
        predictions: Predictions of one task.
        judged_baselines: Baselines that are models too.
    """
    baselines: dict[str, JudgedPrediction] = {}
    models: dict[str, JudgedPrediction] = {}
    for prediction in predictions:
        of, key = models, prediction.sha256 or f"{prediction.model}@{prediction.version}"
        if prediction.model in BASELINES:
            of, key = baselines, prediction.model
        other = of.get(key)
        if other is None or repr(prediction) < repr(other):
            of[key] = prediction
    for name in judged_baselines:
        if name in baselines:
            prediction = baselines[name]
            models[prediction.sha256 or f"{name}@{prediction.version}"] = prediction
    return baselines, models


def _without(baselines: dict[str, JudgedPrediction], model: str) -> dict[str, JudgedPrediction]:
    """Return the baselines that ``model`` is compared with: all but itself."""
    return {n: b for n, b in baselines.items() if n != model} if model in baselines else baselines
