"""Calls of a provider's library, so that no error report shows the key that a frame of it held."""

from collections.abc import Callable
from typing import NamedTuple, TypeVar

from gnomon.errors import KeyProviderUnavailableError, UnreadableError
from gnomon.vault import envelope
from gnomon.vault.wrapping import Secret

T = TypeVar("T")


class Failure(NamedTuple):
    """What went wrong, without the frames in which it did.

    Attributes:
        kind: Name of the error's type, or the service's code.
        text: The service's message.
    """

    kind: str
    text: str


def attempt(
    call: Callable[[], T],
    errors: tuple[type[Exception], ...],
    code_of: Callable[[Exception], str] = lambda error: type(error).__name__,
) -> T | Failure:
    """Return the result of ``call``, or why there is none; the caller raises, outside of all its frames.

    Args:
        call: Asks the service.
        errors: Base classes of what its library raises.
        code_of: Returns the service's code of an error.
    """
    try:
        return call()
    except errors as error:
        code = code_of(error)  # which may read the answer and complete the error's message
        text = str(error).strip().splitlines()
        return Failure(code, text[0] if text else "")


def unavailable(name: str, failure: Failure) -> KeyProviderUnavailableError:
    """Return the error of a provider that does not answer or refuses."""
    return KeyProviderUnavailableError(f"the key provider {name}: {failure.kind}: {failure.text}")


def tampered(key_id: str) -> UnreadableError:
    """Return the error of a wrapped key that a provider does not accept as its own work."""
    return UnreadableError("tampered", f"the row of key {key_id} was changed")


def whole(secret: Secret, key_id: str) -> Secret:
    """Return ``secret`` if it has the length of a key.

    Raises:
        UnreadableError: ``tampered``.
    """
    if len(secret.reveal()) != envelope.KEY_BYTES:
        raise tampered(key_id)
    return secret
