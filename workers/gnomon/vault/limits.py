"""How long one data-encryption key seals."""

from dataclasses import dataclass
from typing import Final

from gnomon.vault.envelope import DataKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of use of one data-encryption key, after which a new one is made.

    Random nonces collide with a probability of about n²/2⁹⁷ after n messages: 2⁻⁵³ for n = 2²².

    Attributes:
        messages: Most records sealed.
        plain_bytes: Most bytes of plaintext sealed.
        age_ms: Longest use.
    """

    messages: int = 1 << 22
    plain_bytes: int = 64 << 30
    age_ms: int = 3_600_000


DEFAULT_LIMITS: Final = Limits()


@dataclass(slots=True)
class Sealing:
    """The key that seals for one scope, and how much it has sealed so far.

    Attributes:
        key: The key.
        kid: Its id, 32 hex digits.
        since_ms: When it was made, epoch milliseconds.
        messages: Records sealed.
        plain_bytes: Bytes of plaintext sealed.
    """

    key: DataKey
    kid: str
    since_ms: int
    messages: int = 0
    plain_bytes: int = 0

    def is_spent(self, limits: Limits, size: int, messages: int, now_ms: int) -> bool:
        """Return whether another key must seal so many more bytes and messages; also if the clock was set back."""
        return (
            self.messages + messages > limits.messages
            or self.plain_bytes + size > limits.plain_bytes
            or not 0 <= now_ms - self.since_ms < limits.age_ms
        )
