"""A client's figures."""

import msgspec


class Stats(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What became of every event given to a client, since it was made (or since the fork).

    ``accepted = delivered + failed + spooled + buffered + in_flight``, always; ``buffered_bytes``
    is of the last two. ``failed`` are events the broker refused for good, and those whose values
    the agent changed so that they could not be encoded; everything else the broker did not take
    is tried again, or ``spooled``: in a file, which a later process sends. ``replayed``
    are events of earlier processes sent from such a file. ``unsealed`` are payloads left out of
    their events because they could not be sealed. The rest was never accepted.
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
