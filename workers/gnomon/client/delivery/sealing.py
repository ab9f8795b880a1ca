"""What agents say of their tasks, sealed before it leaves the process, or dropped: never in clear.

Belongs to the background thread, since a payload costs a tenth of a millisecond or more. Nothing
heavy is imported, and no file read, before ``prepare``.
"""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gnomon import codec
from gnomon.client.config import is_key
from gnomon.client.delivery.buffer import Record
from gnomon.client.delivery.identity import MOST_BYTES
from gnomon.client.delivery.log_limits import say
from gnomon.errors import KeyUnavailableError
from gnomon.topics import MAX_EVENT_BYTES

if TYPE_CHECKING:
    from gnomon.sealing import SealingKey

SEALED: Final = {"context": "sealed_context", "outcome": "sealed_outcome"}
"""Fields of task events that are sealed, and where the sealed bytes go."""
BREATH_S: Final = 0.000_1
"""After each event it lets go of the interpreter: the agent, wanting it, would otherwise wait for
the interpreter's switch interval, 5 ms, and again after each 5 ms of sealing."""
_ROOM_BYTES: Final = MAX_EVENT_BYTES - MOST_BYTES
_KEY_FILE_BYTES: Final = 4096
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


class Sealer:
    """Seals the payloads of events for the holders of one private key.

    A payload that cannot be sealed is left out of its event and counted; the event goes on. Why is
    said in one log line, as soon as the process may write one. No method raises.

    Args:
        seal_to: The public key itself (one line or PEM), or the absolute path of a file with it.

    Attributes:
        dropped: Payloads left out.
        breathes: Whether it lets go of the interpreter after each; not while the process ends.
        late: Whether there is no time left: payloads are dropped from then on.
    """

    def __init__(self, seal_to: str) -> None:
        self.dropped = 0
        self.breathes, self.late = True, False
        self._seal_to = seal_to
        self._key: SealingKey | None = None
        self._useless = ""
        self._prepared = self._said = False

    def prepare(self) -> None:
        """Load the key and what it needs; done by the first ``seal`` otherwise. Imports modules."""
        if self._prepared:
            return
        self._prepared = True
        try:
            from gnomon.sealing import SealingKey  # noqa: PLC0415  an extra, and slow

            self._key = SealingKey.parse(_text_of(self._seal_to))
        except ImportError:
            self._useless = "sealing needs cryptography 47 or newer: pip install 'gnomon[sealed]'"
        except KeyUnavailableError as error:
            self._useless = f"seal_to (GNOMON_SEAL_TO): {error}"
        except Exception as error:  # the agent's edge: whatever it is, nothing goes out in clear
            self._useless = f"sealing does not work: {type(error).__name__}"
        if self._useless:
            self._say(self._useless)

    def seal(self, records: Iterable[Record]) -> list[Record]:
        """The same events in the same order, none with a readable payload."""
        self.prepare()
        sealed = []
        for key, value in records:
            sealed.append(Record(key, self._sealed(value)))
            if self.breathes and sealed[-1].value is not value:
                time.sleep(BREATH_S)
        return sealed

    def _sealed(self, value: bytes) -> bytes:
        """``value``, an encoded event, sealed; without its payloads where that fails."""
        try:
            event = _decode(value)
        except codec.UNDECODABLE:
            self.dropped += 1
            return b"{}"  # no event, so nothing says which of it may go out
        if not any(event.get(name) for name in SEALED):
            return value
        try:
            if self.late:
                self._say("no time was left to seal a payload")
            elif self._key is not None:
                sealed = codec.encode(_with_sealed(event, self._key))
                if len(sealed) <= _ROOM_BYTES:
                    return sealed
                self._say("a payload is too large once it is sealed")
            else:
                self._say(self._useless)
        except Exception as error:  # the agent's edge: as above
            self._say(f"a payload could not be sealed: {type(error).__name__}")
        self.dropped += sum(1 for name in SEALED if event.pop(name, None))
        return codec.encode(event)

    def _say(self, reason: str) -> None:
        self._said = self._said or say(
            "%s; such payloads are dropped and never sent in clear, and the agent is unaffected",
            reason,
        )


def _with_sealed(event: dict[str, Any], key: "SealingKey") -> dict[str, Any]:
    """``event`` with sealed bytes in place of each payload; the order of the fields stays."""
    from gnomon.sealing import SealContext  # noqa: PLC0415  there by now

    def place(field: str) -> SealContext:
        return SealContext(agent_id=event["agent_id"], task_id=event["task_id"], field=field)

    return {
        SEALED[name] if name in SEALED and value else name: (
            key.seal(value, place(name)) if name in SEALED and value else value
        )
        for name, value in event.items()
    }


def _text_of(seal_to: str) -> str:
    """The key's text, from its file if need be.

    Raises:
        KeyUnavailableError: The file cannot be read. It is not named: it may be a key pasted wrongly.
    """
    if is_key(seal_to):
        return seal_to
    try:
        with Path(seal_to).open(encoding="ascii", errors="replace") as file:
            return file.read(_KEY_FILE_BYTES)
    except (OSError, ValueError) as error:
        word = error.strerror if isinstance(error, OSError) else "no path"
        raise KeyUnavailableError(f"neither a public key nor a readable file ({word})") from None
