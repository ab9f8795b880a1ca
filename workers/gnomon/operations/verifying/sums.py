"""Compares the trees that there are with the heads, which say how many there must be."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from gnomon.operations.verifying.findings import Finding
from gnomon.operations.verifying.older import OlderRoots
from gnomon.store.roots import StoredHead
from gnomon.vault.tamper import Head, HourRoot, StatementSeal


def sums_of(
    heads: Sequence[StoredHead],
    roots: Sequence[HourRoot],
    *,
    older: Sequence[OlderRoots],
    seal: StatementSeal,
    partition: int | None,
) -> Iterator[Finding]:
    """Yield what is missing in whole: hours, lists, heads.

    Args:
        heads: Those of the store.
        roots: The newest root of each tree of the store.
        older: Roots and heads that were published or kept before.
        seal: Checks the seals of the heads.
        partition: Only this one; ``None`` for all.
    """
    by_partition: defaultdict[int, dict[int, HourRoot]] = defaultdict(dict)
    for root in roots:
        by_partition[root.partition][root.hour] = root
    found = {stored.head.partition: stored for stored in heads}
    kept = {of for each in older for of in each.heads}
    for of in sorted({*by_partition, *found, *kept}):
        if partition in {None, of}:
            yield from _partition(of, found.get(of), by_partition[of], older=older, seal=seal)


def _partition(
    partition: int,
    stored: StoredHead | None,
    roots: dict[int, HourRoot],
    *,
    older: Sequence[OlderRoots],
    seal: StatementSeal,
) -> Iterator[Finding]:
    if stored is None:
        detail = "the head is gone: the number of records cannot be verified"
        yield Finding(kind="head replaced", detail=detail, partition=partition)
        head = Head(partition=partition)
    else:
        head = stored.head
        if refused := seal.refusal(head, stored.seal):
            detail = f"the head is not as gnomon sealed it ({refused})"
            yield Finding(kind="head replaced", detail=detail, partition=partition)
    yield from _removed(head, roots)
    for each in older:
        before = each.heads.get(partition)
        if before is not None and before.lists > head.lists:
            yield Finding(
                kind="rolled back",
                detail=f"{each.source} has a head of {before.records} records in {before.hours} hours,"
                f" the store of {head.records} in {head.hours}",
                partition=partition,
            )


def _removed(head: Head, roots: dict[int, HourRoot]) -> Iterator[Finding]:
    """Yield the hours that a head or a later hour names and that have no tree, and what the sums lack."""
    named = {root.before: f"hour {hour} was begun after it" for hour, root in roots.items()}
    named[head.newest] = "the head names it as the one that was begun last"
    for hour, why in named.items():
        if hour is not None and hour not in roots:
            yield Finding(
                kind="hour removed",
                detail=f"it has no root in the store, and {why}",
                partition=head.partition,
                hour=hour,
            )
    lists = head.lists - sum(root.lists for root in roots.values())
    records = head.records - sum(root.records for root in roots.values())
    hours = head.hours - len(roots)
    if (lists, records, hours) != (0, 0, 0):
        yield Finding(
            kind="rolled back",
            detail=f"the head counts {hours} hours, {lists} lists and {records} records more than there are",
            partition=head.partition,
        )
