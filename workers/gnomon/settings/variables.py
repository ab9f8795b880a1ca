"""Environment variables that are no ``Settings``: an agent reads them, or they count before any file is read."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable, what it means, and what holds without it."""

    name: str
    about: str
    default: str


OF_AGENTS: Final = (
    Variable("GNOMON_BROKERS", "Kafka brokers that events are sent to.", "nothing is sent"),
    Variable("GNOMON_TOPIC_PREFIX", "Prefix of topic names.", "none"),
    Variable("GNOMON_DISABLED", "`1` turns the client off.", "on"),
    Variable("GNOMON_AGENT_ID", "The agent of tasks that name none.", "none"),
    Variable(
        "GNOMON_TENANT",
        "Whose tasks they are, of several customers; in a gateway it replaces what senders say.",
        "none",
    ),
    Variable("GNOMON_SPOOL_DIR", "Folder for events that cannot be delivered.", "they are dropped"),
    Variable("GNOMON_SPOOL_BYTES", "Largest size of that folder, in bytes.", "`67108864` (64 MiB)"),
    Variable(
        "GNOMON_SEAL_TO",
        "Public key, or the path of its file, that encrypts context and outcome.",
        "they are not encrypted",
    ),
    Variable("GNOMON_TRACE", "Frameworks to record, `1` for all.", "none"),
)
"""Read by ``Client.from_env`` and the integrations, in the process of an agent."""

IN_FILES: Final = frozenset(
    each.name.removeprefix("GNOMON_").lower() for each in OF_AGENTS if each.name != "GNOMON_TRACE"
)
"""Keys of a file of settings that agents read, ``brokers`` and ``topic_prefix`` as workers do."""

OF_ALL_PROCESSES: Final = (
    Variable("GNOMON_CONFIG", "File of settings; `gnomon --config` goes before it.", "no file"),
    Variable(
        "GNOMON_PURE_PYTHON", "`1` uses no compiled module, at build or at run time.", "compiled"
    ),
    Variable(
        "AWS_ENDPOINT_URL", "S3-compatible storage that exports of the vault go to.", "Amazon S3"
    ),
    Variable("AWS_REGION", "Its region.", "that of `AWS_DEFAULT_REGION`"),
    Variable("AWS_DEFAULT_REGION", "Its region, if `AWS_REGION` is not set.", "us-east-1"),
    Variable("JAVA_HOME", "The Java that `gnomon broker` runs Kafka on.", "a Java that is found"),
    Variable("M2_REPO", "Folder in which Kafka's files are kept.", "`~/.m2/repository`"),
)
"""Read before, or without, the settings."""

OTHER_VARIABLES: Final = (*OF_AGENTS, *OF_ALL_PROCESSES)
