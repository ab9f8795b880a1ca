"""The settings of a gnomon process: the one table of names, types, defaults and meanings."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

import msgspec

from gnomon.errors import ConfigurationError
from gnomon.settings.declaration import PREFIX, declared_by, setting
from gnomon.settings.masking import HIDDEN, masked_url
from gnomon.settings.sources import Given, given, read_file, refusal

DEFAULT_BROKERS = "127.0.0.1:9092"

Positive = Annotated[float, msgspec.Meta(gt=0.0, le=1e9)]
NotNegative = Annotated[float, msgspec.Meta(ge=0.0, le=1e9)]
Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]
LogLevel = Annotated[
    str,
    msgspec.Meta(
        pattern="(?i)^(debug|info|warning|error|critical)$",
        description="debug, info, warning, error or critical",
    ),
]
InstanceId = Annotated[
    str,
    msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{0,120}$", description="letters, digits, `.`, `_`, `-`"),
]
DIGEST_CHARACTERS = 12
_OF_ONE_PROCESS = frozenset({"listen_host", "listen_port", "instance_id"})
"""Settings in which the workers of one installation differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Configuration of one gnomon process. Immutable once built; each field describes itself."""

    brokers: str = setting(DEFAULT_BROKERS, "Kafka brokers, a comma-separated list of `host:port`.")
    topic_prefix: str = setting(
        "",
        "Prefix of every topic name and consumer group. It separates two installations, or a replay, on one cluster.",
    )
    data_dir: str = setting(
        ".gnomon", "Folder of local files, unless one of the URLs below says otherwise."
    )
    state_url: str = setting(
        "",
        "Folder of the stages' state snapshots: a path or a `file://` URL.",
        otherwise="`state` in the data folder",
    )
    store_url: str = setting(
        "",
        "Store of decisions: `sqlite:///…` or `postgresql://…`.",
        otherwise="`store.db` in the data folder",
    )
    mlflow_uri: str = setting(
        "",
        "Model registry: `sqlite:///…` or the URL of an MLflow server.",
        otherwise="`mlflow.db` in the data folder",
    )
    model_name: str = setting(
        "gnomon", "Registered model whose live versions the shadow stage runs."
    )
    key: str = setting(
        "",
        "Key-encryption key, base64 of 32 bytes; used instead of the key file if both are set.",
        secret=True,
    )
    key_file: str = setting(
        "",
        "File that holds the key-encryption key.",
        otherwise="`kek.key` in the data folder",
    )
    log_level: LogLevel = setting("INFO", "Lowest level of gnomon's own log lines.")
    log_format: Literal["plain", "json"] = setting("plain", "Form of log lines.")
    sentry_dsn: str = setting(
        "",
        "Sentry project that receives errors, without payloads.",
        variable="SENTRY_DSN",
        secret=True,
    )
    listen_host: str = setting(
        "127.0.0.1",
        "Address on which a worker serves `/metrics`, `/livez`, `/readyz` and `/status`.",
        otherwise="`127.0.0.1`; in the container image `0.0.0.0`",
    )
    listen_port: Port = setting(
        9100,
        "Port of these; further stages of one command use the next ports. 0 means a free port each.",
    )
    gateway_token: str = setting("", "Token that senders must give to the gateway.", secret=True)
    nice: Annotated[int, msgspec.Meta(ge=0, le=19)] = setting(
        5,
        "By how much the stages that no user waits for (comparison, vault) yield to the others on one machine.",
    )
    session_timeout_s: Positive = setting(10.0, "Session timeout of the consumer group.")
    instance_id: InstanceId = setting(
        "",
        "Name of this worker among those of its stage, the same after each restart. With it the worker is a"
        " static member of its group (KIP-345): after a restart within the session timeout it goes on with its"
        " partitions, and ends at once the transaction it left open.",
    )
    batch_max_records: Annotated[int, msgspec.Meta(ge=1)] = setting(
        8192, "Most records of one batch."
    )
    model_poll_s: Positive = setting(5.0, "Time between two looks at the model registry.")
    max_lateness_s: NotNegative = setting(
        600.0,
        "A finished task whose end is older than its agent's newest event by more than this does not count in"
        " the features.",
        folded_by=("features",),
    )
    max_clock_ahead_s: NotNegative = setting(
        600.0,
        "Events whose time is ahead of the broker's by more than this are refused.",
        folded_by=("features", "comparison"),
    )
    expire_after_s: Positive = setting(
        86_400.0,
        "A task without an end expires this long after its start.",
        folded_by=("comparison",),
    )
    snapshot_every_s: Positive = setting(10.0, "Time between two state snapshots of a partition.")
    stall_after_s: Positive = setting(
        60.0,
        "The worker is reported as not ready if a partition with work to do makes no progress for this long;"
        " after three times as long the process exits to be restarted.",
    )
    shed_lag_records: Annotated[int, msgspec.Meta(ge=0)] = setting(
        50_000,
        "If a partition of the shadow stage is behind by more records than this, its oldest tasks are skipped"
        " without a prediction; 0 means never.",
    )
    verdict_settings: str = setting(
        "",
        "JSON file with the registered settings of the live verdict.",
        otherwise="an hour for each constant",
    )
    model_budget_ms: NotNegative = setting(
        200.0,
        "Time that a model version may take for a batch; 0 means as long as it takes.",
    )
    model_budget_task_ms: NotNegative = setting(0.5, "Further time for each task of the batch.")
    model_grace_s: NotNegative = setting(
        5.0,
        "How much longer than its budget a batch waits for a version, before it goes on without its predictions.",
    )
    model_failures_in_a_row: Annotated[int, msgspec.Meta(ge=1)] = setting(
        5,
        "A version whose calls fail, or take longer than the budget, this many times in a row is skipped.",
    )
    model_pause_s: Positive = setting(30.0, "How long it is skipped before it is tried again.")

    def __post_init__(self) -> None:
        """Derive from ``data_dir`` the paths that were not given."""
        root = Path(self.data_dir).resolve()
        for name, value in (
            ("state_url", str(root / "state")),
            ("store_url", f"sqlite:///{root / 'store.db'}"),
            ("mlflow_uri", f"sqlite:///{root / 'mlflow.db'}"),
            ("key_file", str(root / "kek.key")),
        ):
            if not getattr(self, name):
                object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.shown().items())
        return f"{type(self).__name__}({shown})"

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Build from environment variables; others than those of settings are ignored.

        Raises:
            ConfigurationError: A variable has an invalid value; the message names the variable.
        """
        return cls.of(given(DECLARED, environ=environ))

    @classmethod
    def load(cls, environ: Mapping[str, str], file: Path | None) -> Self:
        """Build from a file of settings and, above it, environment variables.

        Raises:
            ConfigurationError: The file cannot be used or has an unknown name, or a value is invalid.
        """
        written = {} if file is None else read_file(DECLARED, file)
        return cls.of(given(DECLARED, environ=environ, file=file, written=written))

    @classmethod
    def of(cls, found: Given) -> Self:
        """Build from values whose origin is known.

        Raises:
            ConfigurationError: A value is invalid; the message names its origin, and no value.
        """
        try:
            settings = msgspec.convert(found.values, cls, strict=False)
        except msgspec.ValidationError as error:
            raise refusal(error, found) from error
        settings.state_folder()
        return settings

    def as_environ(self) -> dict[str, str]:
        """Return these settings as variables for a child process, which needs no file beside them."""
        variables = {each.variable: str(getattr(self, each.name)) for each in DECLARED.values()}
        return {**variables, f"{PREFIX}CONFIG": ""}

    def state_folder(self) -> Path:
        """Return the folder of snapshots.

        Raises:
            ConfigurationError: ``state_url`` is the URL of something else than a folder.
        """
        scheme, found, path = self.state_url.partition("://")
        if not found:
            return Path(self.state_url)
        if scheme != "file":
            raise ConfigurationError(
                f"GNOMON_STATE_URL: expected a path or file:///…, got {scheme}://…: snapshots are files of a"
                " folder. Mount the storage as one; if snapshots are lost, the log is folded again"
            )
        return Path(path)

    def shown(self) -> dict[str, object]:
        """Return each value by name, secrets and passwords masked."""
        return {
            name: _shown(getattr(self, name), secret=each.secret) for name, each in DECLARED.items()
        }

    def digest(self) -> str:
        """Return a short hash of the settings, by which two workers can be seen to have the same ones."""
        text = repr([each for each in self.shown().items() if each[0] not in _OF_ONE_PROCESS])
        return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_CHARACTERS]

    def folded(self, stage: str) -> str:
        """Return the settings that the state of ``stage`` depends on, as a text to compare."""
        names = [name for name, each in DECLARED.items() if stage in each.folded_by]
        return " ".join(f"{name}={getattr(self, name)}" for name in names)


def _shown(value: object, *, secret: bool) -> object:
    if secret:
        return HIDDEN if value else ""
    return masked_url(value) if isinstance(value, str) else value


DECLARED = declared_by(Settings)
"""Every setting by name: its variable, description, default, and whether it is secret."""
