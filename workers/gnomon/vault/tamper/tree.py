"""Merkle trees as in RFC 9162 (and RFC 6962), section 2.1, with SHA-256.

Hashes of leaves and of nodes begin with different bytes, so that no node can pass for a leaf. A tree of
``n`` leaves keeps the roots of its complete subtrees only, at most ``log2(n) + 1`` hashes.
"""

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Final

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()
"""Root of a tree without leaves."""


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf, 32 bytes."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node, 32 bytes."""
    return sha256(b"\x01" + left + right).digest()


class MerkleTree:
    """A tree that grows at its end.

    Args:
        leaves: Leaf hashes to begin with, 32 bytes each.

    Attributes:
        size: Number of leaves.
    """

    __slots__ = ("_subtrees", "size")

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self.size = 0
        self._subtrees: list[bytes] = []
        for leaf in leaves:
            self.append(leaf)

    def append(self, leaf: bytes) -> None:
        """Add the hash of one more leaf."""
        size, subtrees = self.size, self._subtrees
        while size & 1:
            leaf = node_hash(subtrees.pop(), leaf)
            size >>= 1
        subtrees.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """Return the Merkle tree hash, 32 bytes."""
        if not self._subtrees:
            return EMPTY_ROOT
        *others, root = self._subtrees
        for subtree in reversed(others):
            root = node_hash(subtree, root)
        return root

    def copy(self) -> "MerkleTree":
        """Return a tree of the same leaves that grows on its own."""
        other = MerkleTree()
        other.size, other._subtrees = self.size, self._subtrees.copy()
        return other


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Return the Merkle tree hash of leaf hashes."""
    return MerkleTree(leaves).root()


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the hashes that lead from one leaf to the root (RFC 9162, 2.1.3.1).

    Raises:
        IndexError: There is no leaf ``index``.
    """
    if not 0 <= index < len(leaves):
        raise IndexError(f"leaf {index} of {len(leaves)}")
    if len(leaves) == 1:
        return []
    split = _largest_power_below(len(leaves))
    if index < split:
        return [*inclusion_proof(leaves[:split], index), root_of(leaves[split:])]
    return [*inclusion_proof(leaves[split:], index - split), root_of(leaves[:split])]


def is_included(leaf: bytes, index: int, *, size: int, root: bytes, proof: Sequence[bytes]) -> bool:
    """Return whether ``proof`` shows that ``leaf`` is leaf ``index`` of the tree (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    at, last, found = index, size - 1, leaf
    for step in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = node_hash(step, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, step)
        at, last = at >> 1, last >> 1
    return last == 0 and found == root


def consistency_proof(leaves: Sequence[bytes], old_size: int) -> list[bytes]:
    """Return the hashes that show that the tree began as one of ``old_size`` leaves (RFC 9162, 2.1.4.1).

    Raises:
        IndexError: The tree never had ``old_size`` leaves, or had none.
    """
    if not 0 < old_size <= len(leaves):
        raise IndexError(f"size {old_size} of {len(leaves)}")
    return list(_consistency(leaves, old_size, known=True))


def _consistency(leaves: Sequence[bytes], old_size: int, *, known: bool) -> Iterator[bytes]:
    if old_size == len(leaves):
        if not known:
            yield root_of(leaves)
        return
    split = _largest_power_below(len(leaves))
    if old_size <= split:
        yield from _consistency(leaves[:split], old_size, known=known)
        yield root_of(leaves[split:])
    else:
        yield from _consistency(leaves[split:], old_size - split, known=False)
        yield root_of(leaves[:split])


def is_consistent(
    old_size: int, old_root: bytes, *, size: int, root: bytes, proof: Sequence[bytes]
) -> bool:
    """Return whether ``proof`` shows that the tree began as the older one (RFC 9162, 2.1.4.2)."""
    if not 0 < old_size <= size:
        return False
    if old_size == size:
        return not proof and old_root == root
    steps = [old_root, *proof] if old_size & (old_size - 1) == 0 else list(proof)
    if not steps:
        return False
    at, last = old_size - 1, size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    older = newer = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            older, newer = node_hash(step, older), node_hash(step, newer)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            newer = node_hash(newer, step)
        at, last = at >> 1, last >> 1
    return last == 0 and older == old_root and newer == root


def _largest_power_below(number: int) -> int:
    """Return the largest power of two that is smaller than ``number``, which is at least 2."""
    return 1 << (number - 1).bit_length() - 1
