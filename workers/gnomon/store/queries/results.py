"""What the queries return. Times are epoch milliseconds, durations seconds, shares between 0 and 1."""

import msgspec


class Tasks(msgspec.Struct, frozen=True, kw_only=True):
    """The tasks that ended in one bucket of time, or all of one agent or task type.

    ``bucket_ms`` is the begin of the bucket, and ``name`` the agent or type; the other one is ``None``.
    ``succeeded`` counts the tasks that matched and succeeded.
    """

    tasks: int
    matched: int
    expired: int
    cancelled: int
    succeeded: int
    mean_duration_s: float | None
    last_ms: int
    bucket_ms: int | None = None
    name: str | None = None


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """Errors of one model version on the tasks that ended in a period, or in one bucket of it.

    ``n`` counts tasks with a predicted and a known duration. ``mae_s`` and ``loss`` are over these;
    ``paired_mae_s``, ``control_mae_s`` and the losses with them over those that the control predicted too
    (``n_paired``). ``improvement`` is ``1 - paired_mae_s / control_mae_s``. ``coverage_80`` is the share of
    durations inside the 80 % interval.
    """

    model: str
    version: str
    n: int
    n_paired: int
    mae_s: float | None
    loss: float | None
    paired_mae_s: float | None
    control_mae_s: float | None
    paired_loss: float | None
    control_loss: float | None
    brier: float | None
    control_brier: float | None
    n_80: int
    coverage_80: float | None
    n_90: int
    coverage_90: float | None
    mean_width_80_s: float | None
    last_ms: int
    bucket_ms: int | None = None

    @property
    def improvement(self) -> float | None:
        """Return how much smaller the mean error is than the control's, on the tasks that both predicted."""
        if self.paired_mae_s is None or not self.control_mae_s:
            return None
        return 1 - self.paired_mae_s / self.control_mae_s


class Predicted(msgspec.Struct, frozen=True, kw_only=True):
    """One prediction beside what came."""

    decision_id: str
    agent: str
    task_type: str
    status: str
    model: str
    version: str
    started_at_ms: int
    ended_at_ms: int
    duration_s: float | None
    succeeded: bool | None
    predicted_s: float | None
    success_probability: float | None
    low_80_s: float | None
    high_80_s: float | None
    control_s: float | None


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """Tasks whose predicted probability of success was in one tenth: 0 is 0 to 10 %, 9 is 90 to 100 %."""

    tenth: int
    n: int
    mean_probability: float
    succeeded: int


class Residuals(msgspec.Struct, frozen=True, kw_only=True):
    """Number of predictions in one bin of ``log2(predicted / actual)``, of width ½, by its lower end."""

    low: float
    n: int


class VerdictAt(msgspec.Struct, frozen=True, kw_only=True):
    """The last verdict of one hour on one model version; ``hour`` counts from 1970."""

    settings_sha256: str
    model: str
    version: str
    hour: int
    at_ms: int
    word: str
    blocked_by: str
    decisions: int
    active_hours: int
    improvement: float | None
    improvement_low: float | None
    improvement_high: float | None
    decides_in_hours: int | None
    strongest: str | None
    harmed_agents: int


class Improvement(msgspec.Struct, frozen=True, kw_only=True):
    """The improvement over one baseline by one loss, with its bounds, at the last verdict of one hour."""

    settings_sha256: str
    model: str
    version: str
    hour: int
    baseline: str
    loss: str
    estimate: float | None
    low: float | None
    high: float | None
    blocks: int


class ChecklistLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the checklist at the last verdict of one hour."""

    model: str
    version: str
    hour: int
    name: str
    status: str
    figure: float | None
    needed: float | None
    unit: str


class LedgerAt(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger of all partitions at the end of one hour."""

    hour: int
    predictions: int
    matched: int
    pending: int
    expired: int
    cancelled: int
    shed: int
    incomplete: int


class MetricsAt(msgspec.Struct, frozen=True, kw_only=True):
    """Errors of a version since its first task, over all partitions, as they stood at the end of one hour."""

    hour: int
    model: str
    version: str
    n: int
    mae_s: float | None
    paired_mae_s: float | None
    control_mae_s: float | None
    accuracy: float | None
    brier: float | None
    expired: int
    verdict: str | None

    @property
    def improvement(self) -> float | None:
        """Return how much smaller the mean error is than the control's, on the tasks that both predicted."""
        if self.paired_mae_s is None or not self.control_mae_s:
            return None
        return 1 - self.paired_mae_s / self.control_mae_s


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """How many decisions have numbers, and when the last of them ended; ``None`` if there is none."""

    decisions: int
    last_ms: int | None


class SeenAt(msgspec.Struct, frozen=True, kw_only=True):
    """How complete the features of the tasks of one bucket were.

    ``n`` counts tasks whose completeness is known, ``incomplete`` those of them with less than the whole hour.
    """

    bucket_ms: int
    n: int
    mean_completeness: float | None
    incomplete: int


class StoredBy(msgspec.Struct, frozen=True, kw_only=True):
    """The decisions of one scope that ended in one way."""

    scope: str
    status: str
    decisions: int
    first_ms: int
    last_ms: int


class KeysOf(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of one scope in one state, and when the oldest and the newest of them were made."""

    scope: str
    state: str
    keys: int
    oldest_ms: int
    newest_ms: int
