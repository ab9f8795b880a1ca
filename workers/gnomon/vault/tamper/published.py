"""Sealed roots and heads as the events of the topic vault-roots."""

from gnomon.events import VaultHead, VaultRoot
from gnomon.vault.tamper.statements import Head, HourRoot


def root_event(root: HourRoot, seal: bytes) -> VaultRoot:
    """Return the event of one root and the seal of its statement."""
    return VaultRoot(
        partition=root.partition,
        hour=root.hour,
        lists=root.lists,
        records=root.records,
        root=root.root.hex(),
        before=root.before,
        seal=seal,
    )


def head_event(head: Head, seal: bytes) -> VaultHead:
    """Return the event of one head and the seal of its statement."""
    return VaultHead(
        partition=head.partition,
        lists=head.lists,
        records=head.records,
        hours=head.hours,
        newest=head.newest,
        from_offset=head.from_offset,
        next_offset=head.next_offset,
        seal=seal,
    )
