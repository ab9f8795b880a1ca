"""Reads secrets from the files that the settings name, anew for each connection."""

from pathlib import Path

from gnomon.connection.kafka_security import KafkaSecurity, setting
from gnomon.errors import ConfigurationError


def read_password(security: KafkaSecurity) -> str:
    """Return the password of the login.

    Raises:
        ConfigurationError: Its file cannot be read, or is empty.
    """
    return security.sasl_password or read_secret(security, "sasl_password_file")


def read_secret(security: KafkaSecurity, name: str) -> str:
    """Return the text of the file that the setting ``name`` names, without the end of its last line.

    Raises:
        ConfigurationError: The file cannot be read, or is empty.
    """
    path = Path(getattr(security, name))
    try:
        text = path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigurationError(f"{setting(name)}: {path} cannot be read: {why}") from None
    if not text:
        raise ConfigurationError(f"{setting(name)}: {path} is empty")
    return text
