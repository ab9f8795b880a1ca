"""Structured values from the bytes of a fuzzer."""


class ByteStream:
    """Reads numbers and strings from bytes; at their end come zeros and empty strings."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, n: int) -> bytes:
        """The next ``n`` bytes; fewer at the end."""
        taken = self._data[self._at : self._at + n]
        self._at += n
        return taken

    def number(self, n: int = 1) -> int:
        """An unsigned little-endian integer of ``n`` bytes."""
        return int.from_bytes(self.take(n), "little")

    def block(self, size: int = 1) -> bytes:
        """Bytes behind their length in ``size`` bytes."""
        return self.take(self.number(size))

    def text(self) -> str:
        """A string that is not empty, of at most 255 characters."""
        return self.block().decode("utf-8", "replace") or "x"
