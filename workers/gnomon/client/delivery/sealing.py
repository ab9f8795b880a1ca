"""Seals context and outcome before they leave the process. A payload is never sent in clear.

Runs in the background thread, because sealing one payload takes a tenth of a millisecond or more.
Nothing heavy is imported, and no file read, before ``prepare``.
"""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gnomon import codec
from gnomon.client.config import is_public_key
from gnomon.client.delivery.identity import MOST_BYTES
from gnomon.client.process.log_limits import warn
from gnomon.client.records import Record
from gnomon.errors import KeyUnavailableError
from gnomon.topics import MAX_EVENT_BYTES

if TYPE_CHECKING:
    from gnomon.sealing import SealingKey

SEALED: Final = {"context": "sealed_context", "outcome": "sealed_outcome"}
"""Fields of task events that are sealed, and the fields of the sealed bytes."""
YIELD_S: Final = 0.000_1
"""After each event the sealer releases the interpreter for so long. An agent that wants it would
otherwise wait for the interpreter's switch interval, 5 ms, again after each 5 ms of sealing."""
_ROOM_BYTES: Final = MAX_EVENT_BYTES - MOST_BYTES
_KEY_FILE_BYTES: Final = 4096
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


class Sealer:
    """Seals the payloads of events for the holders of one private key.

    A payload that cannot be sealed is left out of its event and counted; the event is sent. The
    reason is logged once, as soon as the process may log a line. No method raises.

    Args:
        seal_to: The public key itself (one line or PEM), or the absolute path of its file.

    Attributes:
        dropped: How many payloads were left out.
        yields: Whether to release the interpreter after each event; not while the process ends.
        late: Set when no time is left: payloads are dropped from then on.
    """

    def __init__(self, seal_to: str) -> None:
        self.dropped = 0
        self.yields, self.late = True, False
        self._seal_to = seal_to
        self._key: SealingKey | None = None
        self._key_error = ""
        self._is_prepared = self._has_warned = False

    def prepare(self) -> None:
        """Import the sealing modules and load the key; the first ``seal`` does so otherwise."""
        if self._is_prepared:
            return
        self._is_prepared = True
        try:
            from gnomon.sealing import SealingKey  # noqa: PLC0415  an extra, and slow

            self._key = SealingKey.parse(_read_key(self._seal_to))
        except ImportError:
            self._key_error = "sealing needs cryptography 47 or newer: pip install 'gnomon[sealed]'"
        except KeyUnavailableError as error:
            self._key_error = f"seal_to (GNOMON_SEAL_TO): {error}"
        except Exception as error:  # the agent's edge: whatever it is, nothing goes out in clear
            self._key_error = f"sealing does not work: {type(error).__name__}"
        if self._key_error:
            self._warn_once(self._key_error)

    def seal(self, records: Iterable[Record]) -> list[Record]:
        """Return the same events in the same order, none with a readable payload."""
        self.prepare()
        sealed = []
        for key, value in records:
            sealed.append(Record(key, self._sealed(value)))
            if self.yields and sealed[-1].value is not value:
                time.sleep(YIELD_S)
        return sealed

    def _sealed(self, value: bytes) -> bytes:
        """Return ``value``, an encoded event, sealed; without its payloads where that fails."""
        try:
            event = _decode(value)
        except codec.UNDECODABLE:
            self.dropped += 1
            return b"{}"  # no part of it is known to be safe to send
        if not any(event.get(name) for name in SEALED):
            return value
        try:
            if self.late:
                self._warn_once("no time was left to seal a payload")
            elif self._key is not None:
                sealed = codec.encode(_with_sealed(event, self._key))
                if len(sealed) <= _ROOM_BYTES:
                    return sealed
                self._warn_once("a payload is too large once it is sealed")
            else:
                self._warn_once(self._key_error)
        except Exception as error:  # the agent's edge: as above
            self._warn_once(f"a payload could not be sealed: {type(error).__name__}")
        self.dropped += sum(1 for name in SEALED if event.pop(name, None))
        return codec.encode(event)

    def _warn_once(self, reason: str) -> None:
        self._has_warned = self._has_warned or warn(
            "%s; such payloads are dropped and never sent in clear, and the agent is unaffected",
            reason,
        )


def _with_sealed(event: dict[str, Any], key: "SealingKey") -> dict[str, Any]:
    """Return ``event`` with sealed bytes in place of each payload, its fields in the same order."""
    from gnomon.sealing import SealContext  # noqa: PLC0415  loaded by now

    def context(field: str) -> SealContext:
        return SealContext(agent_id=event["agent_id"], task_id=event["task_id"], field=field)

    return {
        SEALED[name] if name in SEALED and value else name: (
            key.seal(value, context(name)) if name in SEALED and value else value
        )
        for name, value in event.items()
    }


def _read_key(seal_to: str) -> str:
    """Return the key's text, from its file if need be.

    Raises:
        KeyUnavailableError: The file cannot be read. The message does not name it: it may be a key
            that was pasted wrongly.
    """
    if is_public_key(seal_to):
        return seal_to
    try:
        with Path(seal_to).open(encoding="ascii", errors="replace") as file:
            return file.read(_KEY_FILE_BYTES)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no path"
        raise KeyUnavailableError(f"neither a public key nor a readable file ({reason})") from None
