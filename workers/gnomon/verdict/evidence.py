"""What decisions say for and against each model: a state that adds up over partitions."""

from collections.abc import Iterator, Sequence

import msgspec

from gnomon.verdict.challenger import Challenger
from gnomon.verdict.decided import Decided, Said
from gnomon.verdict.settings import BASELINES, VerdictSettings
from gnomon.verdict.sums import NEVER, Sums
from gnomon.verdict.window import Window


class Evidence(msgspec.Struct, kw_only=True):
    """Everything that a verdict is made of, for all models.

    Attributes:
        settings: Under which it was gathered.
        window: The constants of the training window.
        challengers: By SHA-256, or by name and version where there is none.
        closed_before_hour: Hours before this take no more decisions.
    """

    settings: VerdictSettings
    window: Window
    challengers: dict[str, Challenger] = {}
    closed_before_hour: int = 0

    def add(self, decided: Decided, *, watermark_ms: int) -> None:
        """Count one decision, which must not have been added before.

        Args:
            decided: With its outcome.
            watermark_ms: The time up to which decisions are known (epoch milliseconds).

        Raises:
            ValueError: Its hour is closed.
        """
        if decided.started_at_ms < self.settings.registered_at_ms:
            return
        if decided.hour < self.closed_before_hour:
            raise ValueError(
                f"hour {decided.hour} is closed: expected {self.closed_before_hour} or later"
            )
        baselines, models = by_key(decided.predictions)
        mature = decided.started_at_ms + self.window.mature_after_ms <= watermark_ms
        for key, said in models.items():
            found = self.challengers.get(key)
            if found is None:
                found = self.challengers[key] = Challenger(said.sha256)
            found.count(decided, said, baselines)
            if decided.status == "cancelled":
                found.counts.cancelled += 1
            elif decided.status == "expired":
                found.censored(
                    decided, said, baselines, window=self.window, delta=self.settings.delta
                )
            elif mature:
                found.matured(decided, said, baselines, self.window)
            else:
                found.counts.immature += 1

    def close_blocks(self, before_hour: int) -> None:
        """No decision predicted in an hour before ``before_hour`` will come any more."""
        for sums in self._all_sums():
            sums.close_blocks(before_hour)
        self.closed_before_hour = max(self.closed_before_hour, before_hour)

    def close_hours(self, before_hour: int = NEVER) -> None:
        """Nor from any other partition: this state has been merged, or is the only one."""
        for sums in self._all_sums():
            sums.close_hours(before_hour)
        self.closed_before_hour = max(self.closed_before_hour, before_hour)

    def merge(self, other: "Evidence") -> None:
        """Add what another partition has read; ``other`` stays as it is.

        Raises:
            ValueError: It was gathered under other settings or another window, its blocks are
                closed up to another hour, or hours are closed.
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
        """The state as canonical JSON: states that hold the same are equal to the byte."""
        fields = msgspec.to_builtins(self, str_keys=True)
        fields["settings"] = msgspec.Raw(self.settings.canonical())
        return msgspec.json.encode(fields, order="sorted")

    @classmethod
    def decode(cls, data: bytes, settings: VerdictSettings) -> "Evidence":
        """The state that ``encode`` wrote.

        Raises:
            ValueError: It is no such state, or was gathered under other settings: a change of
                settings begins a new experiment.
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

    def _all_sums(self) -> Iterator[Sums]:
        for challenger in self.challengers.values():
            yield from challenger.all_sums()


def by_key(predictions: Sequence[Said]) -> tuple[dict[str, Said], dict[str, Said]]:
    """Baselines by name, and models by what they are known by; of several, the least as text."""
    baselines: dict[str, Said] = {}
    models: dict[str, Said] = {}
    for said in predictions:
        of, key = models, said.sha256 or f"{said.model}@{said.version}"
        if said.model in BASELINES:
            of, key = baselines, said.model
        if key not in of or repr(said) < repr(of[key]):
            of[key] = said
    return baselines, models
