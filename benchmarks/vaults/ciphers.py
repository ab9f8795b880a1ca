"""Seals and opens records on one core, beside other ways to encrypt."""

import gc
import os
import time
from collections.abc import Callable
from statistics import median
from typing import Final, NamedTuple

from cryptography.fernet import Fernet, MultiFernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tests.support.decisions import MemoryRows

from gnomon.runtime.process.memory import tune_malloc
from gnomon.vault import KeyEncryptionKey, KeyRing

SIZES: Final = (256, 1_024, 8_192)
GNOMON, ONE = "gnomon, in a batch", "gnomon, one by one"
BARE, FERNET = "AES-256-GCM, random nonce", "Fernet"
BATCH: Final = 500
"""Records of a batch; the stage seals batches."""
_ABOUT: Final = b"x" * 64
_NAME: Final = {"record_id": "0" * 32, "schema": "comparison.v1"}
Call = Callable[[], object]


class Contender(NamedTuple):
    """How it seals, how it opens that again, and how many records it seals in a call."""

    seal: Call
    opens: Call
    at_once: int = 1


def _contenders(plain: bytes) -> dict[str, Contender]:
    """Return all of them, to seal ``plain``."""
    ring = KeyRing(KeyEncryptionKey(bytes(32)), MemoryRows())
    _, sealed = ring.seal(plain, **_NAME)
    bare, nonce = AESGCM(bytes(32)), os.urandom(12)
    ciphertext = bare.encrypt(nonce, plain, _ABOUT)
    fernet = Fernet(Fernet.generate_key())
    several = MultiFernet([fernet, *(Fernet(Fernet.generate_key()) for _ in range(2))])
    token = fernet.encrypt(plain)
    plains, names = [plain] * BATCH, [f"{number:032x}" for number in range(BATCH)]
    return {
        GNOMON: Contender(
            lambda: ring.seal_all(plains, record_ids=names, schema=_NAME["schema"]),
            lambda: ring.open(sealed, **_NAME),
            BATCH,
        ),
        ONE: Contender(lambda: ring.seal(plain, **_NAME), lambda: ring.open(sealed, **_NAME)),
        BARE: Contender(
            lambda: bare.encrypt(os.urandom(12), plain, _ABOUT),
            lambda: bare.decrypt(nonce, ciphertext, _ABOUT),
        ),
        "AES-256-GCM, given nonce": Contender(
            lambda: bare.encrypt(nonce, plain, _ABOUT),
            lambda: bare.decrypt(nonce, ciphertext, _ABOUT),
        ),
        FERNET: Contender(lambda: fernet.encrypt(plain), lambda: fernet.decrypt(token)),
        "MultiFernet of 3": Contender(
            lambda: several.encrypt(plain), lambda: several.decrypt(token)
        ),
    }


def _us(call: Call, span_s: float, at_once: int = 1) -> float:
    """Return the processor time of a record in microseconds, over at least ``span_s`` seconds of calls."""
    records, spent_ns, wanted_ns = 0, 0, int(span_s * 1e9)
    gc.collect()
    while spent_ns < wanted_ns:
        began_ns = time.process_time_ns()
        for _ in range(2_000 // at_once):
            call()
        spent_ns += time.process_time_ns() - began_ns
        records += 2_000 // at_once * at_once
    return spent_ns / records / 1_000


def measure(*, span_s: float, turns: int) -> bool:
    """Print a table for each size, contenders by turns; return whether the requirements are met."""
    tune_malloc()  # as in a worker: else what a batch returns is asked of the system anew for each
    met = True
    for size in SIZES:
        contenders, span = _contenders(os.urandom(size)), span_s / turns
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
        for _ in range(turns):
            for name, (seal, opens, at_once) in contenders.items():
                found[name].append((_us(seal, span, at_once), _us(opens, span)))
        us = {name: tuple(map(median, zip(*each, strict=True))) for name, each in found.items()}
        print(f"{size} bytes{'':<22}{'seal us':>8}{'a second':>11}{'open us':>9}{'a second':>11}")
        for name, (sealing, opening) in us.items():
            rates = f"{1e6 / sealing:>11,.0f}{opening:>9.2f}{1e6 / opening:>11,.0f}"
            print(f"  {name:<28}{sealing:>8.2f}{rates}")
        to_bare, to_fernet = us[GNOMON][0] / us[BARE][0], us[FERNET][0] / us[GNOMON][0]
        print(
            f"  seal: {to_bare:.2f} x the bare call, {to_fernet:.1f} times as fast as Fernet",
            flush=True,
        )
        if size == SIZES[0]:
            met = to_bare <= 3.5 and to_fernet >= 4.0
            print(f"  at most 3.5 x and at least 4 times: {'yes' if met else 'NO'}")
    return met
