"""Roots of the Merkle trees over sealed decisions, by which anyone notices that the store was changed."""

from typing import Annotated

import msgspec

from gnomon.events.field_types import Count

Sha256 = Annotated[
    str, msgspec.Meta(min_length=64, max_length=64, description="SHA-256, in hexadecimal digits.")
]


class VaultRoot(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="vault_root.v1"
):
    """The Merkle root over the sealed decisions of one partition that ended in one hour, latest.

    A tree only ever grows at its end, so every earlier root of the same hour is consistent with a later
    one. ``hour`` is in hours since 1970 (UTC). The tree has ``lists`` leaves, which have ``records``
    records. ``before`` is the hour whose tree the partition began before this one. ``seal`` is a sealed
    record without content, bound to all the other fields: only who has the vault's key can make it.
    """

    partition: int
    hour: int
    lists: Count
    records: Count
    root: Sha256
    seal: bytes
    before: int | None = None


class VaultHead(
    msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="vault_head.v1"
):
    """The sums of all trees of one partition, latest: how many hours, lists and records there must be.

    ``newest`` is the hour whose tree was begun last. The last transaction stored the records of
    ``comparisons`` from ``from_offset`` up to but without ``next_offset``. ``seal`` is as in a root.
    """

    partition: int
    lists: Count
    records: Count
    hours: Count
    from_offset: Count
    next_offset: Count
    seal: bytes
    newest: int | None = None


VaultRootEvent = VaultRoot | VaultHead
