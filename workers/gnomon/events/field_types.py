"""Types of record fields, with the bounds that JSON Schema can express."""

from typing import Annotated

import msgspec

EpochMs = Annotated[
    int,
    msgspec.Meta(ge=0, lt=253_402_300_800_000, description="Milliseconds since 1970-01-01 UTC."),
]
Seconds = Annotated[float, msgspec.Meta(ge=0.0, description="Seconds.")]
Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0, description="Between 0 and 1.")]
Count = Annotated[int, msgspec.Meta(ge=0)]
Average = Annotated[float, msgspec.Meta(ge=0.0)]
"""A mean of counts."""
Identifier = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Tenant = Annotated[
    str,
    msgspec.Meta(
        min_length=1, max_length=64, description="Whose work it is, of several customers."
    ),
]
ContextValue = str | int | float | bool | None
"""Value of one entry of ``context`` or ``outcome``: flat, so that a model can use it."""
ProducerId = Annotated[
    str,
    msgspec.Meta(min_length=1, max_length=64, description="Random id of one client process."),
]
Sequence = Annotated[
    int,
    msgspec.Meta(
        ge=0, lt=2**53, description="Number of the event in its process: from 0, without gaps."
    ),
]
Traceparent = Annotated[
    str, msgspec.Meta(max_length=55, description="W3C Trace Context of the work around the task.")
]
