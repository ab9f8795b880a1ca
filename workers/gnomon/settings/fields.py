"""The one table of settings: name, type, default and meaning of each."""

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from gnomon.settings.declaration import setting
from gnomon.settings.key_fields import KeyFields

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields(KeyFields):
    """Each field describes itself."""

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
    query_ids: Literal["hashed", "clear"] = setting(
        "hashed",
        "Agents and task types in the store's tables of numbers: keyed hashes, or as the agents sent them.",
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
    dashboard_token: str = setting(
        "", "Token that readers of the dashboard must give.", secret=True
    )
    dashboard_user_header: str = setting(
        "",
        "HTTP header in which a proxy names the user whom it has logged in; the dashboard believes it.",
    )
    dashboard_actions: bool = setting(
        False,  # noqa: FBT003  a default
        "Whether readers of the dashboard may promote, roll back and redrive.",
    )
    alertmanager_url: str = setting(
        "", "Base URL of the Alertmanager whose alerts the dashboard shows, `http://host:9093`."
    )
    nice: Annotated[int, msgspec.Meta(ge=0, le=19)] = setting(
        5,
        "By how much comparison, vault and dashboard yield to what agents wait for on the same machine.",
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
