"""The counts of a client."""

import msgspec


class Stats(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What became of every event given to a client, since it was made (or since the fork).

    ``accepted = delivered + failed + spooled + buffered + in_flight`` always holds.

    Attributes:
        accepted: Events that the buffer took in.
        delivered: Events that the broker has stored.
        failed: Events that the broker refused for good, and events that could not be encoded
            because the agent changed their values. Any other failure is tried again.
        spooled: Events in a spool file, which a later process sends.
        replayed: Events of earlier processes that this one sent from such a file.
        buffered: Events that wait in the buffer.
        in_flight: Events that the Kafka library has.
        buffered_bytes: Bytes of the last two.
        dropped_full: Events refused because the buffer was full.
        dropped_oversize: Events refused as larger than a record may be.
        dropped_invalid: Events and arguments that could not be used.
        dropped_closed: Events refused after the client was closed.
        shed_starts: Starts refused because the buffer was four fifths full.
        unsealed: Payloads left out of their events because they could not be sealed.
    """

    accepted: int = 0
    delivered: int = 0
    failed: int = 0
    spooled: int = 0
    replayed: int = 0
    buffered: int = 0
    in_flight: int = 0
    buffered_bytes: int = 0
    dropped_full: int = 0
    dropped_oversize: int = 0
    dropped_invalid: int = 0
    dropped_closed: int = 0
    shed_starts: int = 0
    unsealed: int = 0

    @property
    def dropped(self) -> int:
        """Events that were never accepted, for whatever reason."""
        return (
            self.dropped_full
            + self.dropped_oversize
            + self.dropped_invalid
            + self.dropped_closed
            + self.shed_starts
        )
