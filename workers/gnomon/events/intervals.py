"""How far a duration may lie from its prediction, and what that was corrected by."""

from typing import Annotated

import msgspec

from gnomon.events.field_types import Count, Seconds, Share

Percent = Annotated[int, msgspec.Meta(ge=1, le=99, description="Of runs that shall lie inside.")]
Sha256 = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class Interval(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """From ``low_s`` to ``high_s``; ``own_*`` is what the model itself gave, not corrected.

    ``correction`` is how much wider both ends were made, as a difference of ``log(1 + seconds)``:
    negative where the interval was made narrower, 0 where nothing was known of the model's runs.
    """

    low_s: Seconds
    high_s: Seconds
    own_low_s: Seconds
    own_high_s: Seconds
    correction: float = 0.0


class Intervals(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Intervals by the percentage of runs that shall lie inside, ``"80"`` and ``"90"``.

    ``bucket`` is which runs the corrections were learnt from: those whose agent had done 0, 1, 2,
    or 3 and more runs of the type. ``rule`` numbers the way in which they were computed.
    """

    bucket: Count
    by_level: dict[str, Interval]
    rule: Count = 1


class IntervalCorrection(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    gc=False,
    tag_field="kind",
    tag="interval_correction.v1",
):
    """What the last runs of one model version, bucket and level in one partition say of its intervals.

    ``n`` of the last runs were counted. ``miss_share`` is the share that was allowed to lie outside
    when ``correction`` (see ``Interval``) was chosen: less than the level says after too many
    misses, more after too few.
    """

    sha256: Sha256
    bucket: Count
    level: Percent
    partition: Count
    n: Count
    miss_share: Share
    correction: float
    rule: Count = 1
