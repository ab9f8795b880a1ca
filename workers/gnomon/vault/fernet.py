"""Fernet tokens of decisions that were kept before gnomon's vault: they are read, never written.

A token holds the JSON of one decision. One of gnomon's own form is taken as it is; of any other object a decision is
made whose context has the object, without predictions and without an outcome that a model could learn from.
"""

from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from gnomon import codec
from gnomon.errors import UnreadableError
from gnomon.events import Comparison, Completeness, FeatureVector, Outcome
from gnomon.vault.files import read_private

UNKNOWN: Final = "unknown"
LEGACY: Final = "legacy"
"""Key in the context under which the object is, as JSON."""
_ID_BYTES: Final = 16
_MOST_CHARACTERS: Final = 256
_ID_NAMES: Final = ("agent_id", "agent", "agent_name")
_TASK_NAMES: Final = ("task_id", "task", "id")
_TIME_NAMES: Final = ("started_at", "timestamp", "time", "created_at")


def load_fernet(path: Path) -> MultiFernet:
    """Return the keys in a file, one a line, any of which may have made a token.

    Raises:
        KeyUnavailableError: The file is missing, no key file, or open to others.
    """
    return read_private(
        path,
        _parsed,
        missing=f"no Fernet key: {path} does not exist",
        expected="a file of Fernet keys (the URL-safe base64 of 32 bytes, one a line)",
    )


def open_token(fernet: MultiFernet, token: bytes) -> Comparison:
    """Decrypt one token.

    Raises:
        UnreadableError: ``tampered``: no key opens it. ``bad_header``: its content is no JSON object.
    """
    try:
        plain = fernet.decrypt(token)
        at_ms = 1_000 * fernet.extract_timestamp(token)
    except (InvalidToken, TypeError, ValueError):
        raise UnreadableError("tampered", "no key of the file opens this token") from None
    decision = _decision(plain, token, at_ms)
    if decision is None:
        del plain  # error reports show local variables
        raise UnreadableError("bad_header", "the content of this token is no JSON object")
    return decision


def _parsed(text: bytes) -> MultiFernet | None:
    try:
        return MultiFernet([Fernet(line.strip()) for line in text.split(b"\n") if line.strip()])
    except ValueError:
        return None


def _decision(plain: bytes, token: bytes, at_ms: int) -> Comparison | None:
    try:
        return codec.decode_comparison(plain)
    except msgspec.DecodeError:
        pass
    try:
        found = msgspec.json.decode(plain, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    started_ms = min(_started_ms(found, at_ms), at_ms)
    return Comparison(
        decision_id=blake2b(token, digest_size=_ID_BYTES).hexdigest(),
        agent_id=_first(found, _ID_NAMES),
        task_id=_first(found, _TASK_NAMES),
        task_type=_first(found, ("task_type", "type")),
        started_at_ms=started_ms,
        features=FeatureVector(tasks_completed_1h=0),
        completeness=Completeness(hour_seen=0.0),
        predictions=[],
        outcome=Outcome(status="cancelled", at_ms=at_ms),
        context={LEGACY: plain.decode(errors="replace")},
    )


def _first(found: dict[str, Any], names: tuple[str, ...]) -> str:
    texts = (found.get(name) for name in names)
    text = next((each for each in texts if isinstance(each, str) and each), UNKNOWN)
    return text[:_MOST_CHARACTERS]


def _started_ms(found: dict[str, Any], otherwise: int) -> int:
    for name in _TIME_NAMES:
        value = found.get(name)
        try:
            if isinstance(value, str):
                return max(0, int(datetime.fromisoformat(value).timestamp() * 1_000))
            if isinstance(value, int | float) and not isinstance(value, bool):
                return max(0, int(value * 1_000))
        except (ValueError, OverflowError):
            continue
    return otherwise
