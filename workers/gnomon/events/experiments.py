"""Which variant of an experiment a unit was given."""

from typing import Annotated

import msgspec

from gnomon.events.field_types import EpochMs, Identifier, ProducerId, Sequence, Share


class Exposure(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    omit_defaults=True,
    tag_field="kind",
    tag="exposure.v1",
):
    """A unit of an experiment met its variant for the first time in one process.

    Several processes may say it of one unit, and one process again after long: readers count each
    ``unit`` once. ``ramp_share`` is the share of all units that took part at that time, and
    ``settings_sha256`` the hash of what decides a unit's variant: two variants of one unit under
    the same hash are a fault.
    """

    experiment: Identifier
    unit: Identifier
    variant: Identifier
    exposed_at_ms: EpochMs
    ramp_share: Share = 1.0
    settings_sha256: Annotated[str, msgspec.Meta(min_length=64, max_length=64)] | None = None
    producer_id: ProducerId | None = None
    seq: Sequence | None = None
