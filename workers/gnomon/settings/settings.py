"""The settings of a gnomon process, read from a file and variables, and passed on as arguments."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Self

import msgspec

from gnomon.connection import KafkaConnection, KafkaSecurity
from gnomon.errors import ConfigurationError
from gnomon.settings.declaration import PREFIX, declared_by
from gnomon.settings.fields import Fields
from gnomon.settings.masking import HIDDEN, masked_url
from gnomon.settings.sources import Given, given, read_file, refusal

DIGEST_CHARACTERS = 12
_OF_ONE_PROCESS = frozenset({"listen_host", "listen_port", "instance_id"})
"""Settings in which the workers of one installation differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Fields):
    """Configuration of one gnomon process. Immutable once built."""

    def __post_init__(self) -> None:
        """Derive from ``data_dir`` the paths that were not given; check that the security settings fit."""
        _ = self.kafka
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

    @property
    def kafka(self) -> KafkaConnection:
        """The cluster, and what it asks of those who connect."""
        security = {f.name: getattr(self, f"kafka_{f.name}") for f in fields(KafkaSecurity)}
        return KafkaConnection(self.brokers, KafkaSecurity(**security)).checked()

    def reaching(self, kafka: KafkaConnection) -> Self:
        """Return these settings for another cluster."""
        security = {
            f"kafka_{f.name}": getattr(kafka.security, f.name) for f in fields(KafkaSecurity)
        }
        return replace(self, brokers=kafka.brokers, **security)

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
            raise refusal(error, found, DECLARED) from error
        settings.state_folder()
        return settings

    def environ_of_child(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of a child process: ``environ`` with these settings."""
        return {**environ, **self.as_environ()}

    def as_environ(self) -> dict[str, str]:
        """Return these settings as variables for a child process, which needs no file beside them."""
        variables = {each.variable: str(getattr(self, each.name)) for each in DECLARED.values()}
        return {**variables, f"{PREFIX}CONFIG": ""}

    def state_folder(self) -> Path:
        """Return the folder of snapshots.

        Raises:
            ConfigurationError: ``state_url`` is the URL of something else than a folder.
        """
        scheme, found, rest = self.state_url.partition("://")
        if not found:
            return Path(self.state_url)
        host, slash, path = rest.partition("/")
        if scheme != "file" or host not in {"", "localhost"} or not path:
            raise ConfigurationError(
                f"GNOMON_STATE_URL: expected a path or file:///…, got {scheme}://…: snapshots are files of a"
                " folder. Mount the storage as one; if snapshots are lost, the log is folded again"
            )
        return Path(slash + path)

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
