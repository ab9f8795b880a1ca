"""Tests of Merkle trees against published vectors and against the definition in RFC 9162."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.vault.tamper import tree
from gnomon.vault.tamper.tree import MerkleTree

# Leaves, roots and proofs of the reference tests of Certificate Transparency (transparency-dev/merkle,
# testonly/constants.go and reference_test.go, Apache-2.0).
INPUTS = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
_96A2 = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
_6E34 = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
_FAC5 = "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
_5F08 = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
_BC1A = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
_6B47 = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
_CA85 = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
_D37E = "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"
_0EBC = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
# Index, size, proof.
INCLUSIONS = [
    (0, 1, []),
    (0, 2, [_96A2]),
    (1, 2, [_6E34]),
    (2, 3, [_FAC5]),
    (1, 5, [_6E34, _5F08, _BC1A]),
    (0, 8, [_96A2, _5F08, _6B47]),
    (5, 8, [_BC1A, _CA85, _D37E]),
]
# Old size, size, proof.
CONSISTENCIES = [
    (1, 1, []),
    (1, 8, [_96A2, _5F08, _6B47]),
    (2, 5, [_5F08, _BC1A]),
    (6, 8, [_0EBC, _CA85, _D37E]),
]
LEAVES = [tree.leaf_hash(data) for data in INPUTS]


def as_hex(hashes: list[bytes]) -> list[str]:
    return [each.hex() for each in hashes]


def defined_root(data: list[bytes]) -> bytes:
    """MTH of RFC 9162, section 2.1.1, as it is written there."""
    if not data:
        return sha256().digest()
    if len(data) == 1:
        return sha256(b"\x00" + data[0]).digest()
    k = max(2**i for i in range(20) if 2**i < len(data))
    return sha256(b"\x01" + defined_root(data[:k]) + defined_root(data[k:])).digest()


@pytest.mark.parametrize("size", range(9))
def test_roots_are_the_published_ones(size: int) -> None:
    grown = MerkleTree()
    for leaf in LEAVES[:size]:
        grown.append(leaf)
    assert grown.root().hex() == ROOTS[size]
    assert grown.size == size
    assert tree.root_of(LEAVES[:size]).hex() == ROOTS[size]


@pytest.mark.parametrize(("index", "size", "proof"), INCLUSIONS)
def test_inclusion_proofs_are_the_published_ones(index: int, size: int, proof: list[str]) -> None:
    assert as_hex(tree.inclusion_proof(LEAVES[:size], index)) == proof
    root = bytes.fromhex(ROOTS[size])
    steps = [bytes.fromhex(each) for each in proof]
    assert tree.is_included(LEAVES[index], index, size=size, root=root, proof=steps)


@pytest.mark.parametrize(("old", "size", "proof"), CONSISTENCIES)
def test_consistency_proofs_are_the_published_ones(old: int, size: int, proof: list[str]) -> None:
    assert as_hex(tree.consistency_proof(LEAVES[:size], old)) == proof
    old_root, root = bytes.fromhex(ROOTS[old]), bytes.fromhex(ROOTS[size])
    steps = [bytes.fromhex(each) for each in proof]
    assert tree.is_consistent(old, old_root, size=size, root=root, proof=steps)


@given(st.lists(st.binary(max_size=4), max_size=40))
def test_a_tree_grows_to_the_root_that_the_rfc_defines(data: list[bytes]) -> None:
    assert tree.root_of([tree.leaf_hash(each) for each in data]) == defined_root(data)


@given(st.integers(1, 70), st.data())
def test_every_proof_holds_and_no_changed_one_does(size: int, data: st.DataObject) -> None:
    leaves = [tree.leaf_hash(b"%d" % n) for n in range(size)]
    root = tree.root_of(leaves)
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(1, size))
    bit = data.draw(st.integers(0, 255))
    included = tree.inclusion_proof(leaves, index)
    consistent = tree.consistency_proof(leaves, old)
    old_root = tree.root_of(leaves[:old])

    assert tree.is_included(leaves[index], index, size=size, root=root, proof=included)
    assert tree.is_consistent(old, old_root, size=size, root=root, proof=consistent)
    other = [*leaves[:index], tree.leaf_hash(b"another"), *leaves[index + 1 :]]
    other_root = tree.root_of(other)
    assert not tree.is_included(leaves[index], index, size=size, root=other_root, proof=included)
    if index < old:
        proof = tree.consistency_proof(other, old)
        assert not tree.is_consistent(old, old_root, size=size, root=other_root, proof=proof)

    def includes(proof: list[bytes]) -> bool:
        return tree.is_included(leaves[index], index, size=size, root=root, proof=proof)

    def is_consistent(proof: list[bytes]) -> bool:
        return tree.is_consistent(old, old_root, size=size, root=root, proof=proof)

    for steps, holds in ((included, includes), (consistent, is_consistent)):
        assert not holds([*steps, root])
        if steps:
            assert not holds(steps[:-1])
            at = data.draw(st.integers(0, len(steps) - 1))
            changed = int.from_bytes(steps[at], "big") ^ 1 << bit
            assert not holds([*steps[:at], changed.to_bytes(32, "big"), *steps[at + 1 :]])


def test_proofs_of_leaves_that_are_not_there_are_refused() -> None:
    with pytest.raises(IndexError):
        tree.inclusion_proof(LEAVES, 8)
    with pytest.raises(IndexError):
        tree.consistency_proof(LEAVES, 9)
    with pytest.raises(IndexError):
        tree.consistency_proof(LEAVES, 0)
    root = bytes.fromhex(ROOTS[8])
    assert not tree.is_included(LEAVES[0], 8, size=8, root=root, proof=[])
    assert not tree.is_consistent(0, tree.EMPTY_ROOT, size=8, root=root, proof=[])


def test_a_copy_grows_on_its_own() -> None:
    grown = MerkleTree(LEAVES[:3])
    other = grown.copy()
    other.append(LEAVES[3])
    assert (grown.root().hex(), other.root().hex()) == (ROOTS[3], ROOTS[4])
