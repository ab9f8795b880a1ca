"""Defines the kinds of real work that the demo's agents do.

A ``Kind`` prepares a job of a given size, which is not timed, and returns a function that does the
work. Nothing here sleeps or draws a duration: the durations are those of the work itself.
"""

import array
import bz2
import gzip
import hashlib
import json
import lzma
import math
import re
import sqlite3
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

Job = Callable[[], object]
GZIP_MEMBER = 65_536
DIGEST_CHUNK = 65_536
INTACT_BYTES = 20_000_000
"""Size at which about two of three blocks are damaged."""
BUNDLE_LIMIT = 20_000
WORDS = [
    "shadow",
    "agent",
    "task",
    "review",
    "deploy",
    "merge",
    "branch",
    "model",
    "error",
    "timeout",
    "retry",
    "queue",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of work.

    Attributes:
        name: The task type.
        smallest: Smallest size, in a unit that depends on the kind.
        largest: Largest size.
        prepare: Makes a job of a given size.
    """

    name: str
    smallest: int
    largest: int
    prepare: Callable[[Random, int], Job]

    def draw_size(self, random: Random) -> int:
        """Draw a size, uniform on a logarithmic scale."""
        low, high = math.log(self.smallest), math.log(self.largest)
        return round(math.exp(random.uniform(low, high)))


def text(random: Random, size: int) -> bytes:
    """Make ``size`` bytes that compress like a log file."""
    lines = [
        f"{random.randrange(10**6):06d} {random.choice(WORDS)} {random.choice(WORDS)}\n"
        for _ in range(200)
    ]
    block = "".join(lines).encode()
    salt = random.randbytes(max(16, size // 64))
    return (salt + block * (size // len(block) + 1))[:size]


def deflate(random: Random, size: int) -> Job:
    """Compress a text of ``size`` bytes with zlib."""
    data = text(random, size)
    return lambda: zlib.compress(data, 9)


def compress_lzma(random: Random, size: int) -> Job:
    """Compress a text of ``size`` bytes with LZMA."""
    data = text(random, size)
    return lambda: lzma.compress(data, preset=2)


def compress_bz2(random: Random, size: int) -> Job:
    """Compress a text of ``size`` bytes with bzip2."""
    data = text(random, size)
    return lambda: bz2.compress(data, 5)


def inflate(random: Random, size: int) -> Job:
    """Decompress ``size`` bytes, which may be damaged; the larger, the more likely.

    The job raises ``zlib.error`` or ``gzip.BadGzipFile`` if a bit was flipped.
    """
    member = gzip.compress(text(random, GZIP_MEMBER), 1, mtime=0)
    packed = bytearray(member * (size // GZIP_MEMBER + 1))
    if random.random() > math.exp(-((size / INTACT_BYTES) ** 2)):
        packed[random.randrange(len(packed) // 2, len(packed))] ^= 1 << random.randrange(8)
    return lambda: len(gzip.decompress(packed))


def sort(random: Random, size: int) -> Job:
    """Sort ``size`` integers."""
    numbers = array.array("q", random.randbytes(8 * size))
    return lambda: sorted(numbers)


def digest(random: Random, size: int) -> Job:
    """Hash ``size`` bytes, read in chunks, with SHA-256."""
    chunk = random.randbytes(DIGEST_CHUNK)

    def run() -> object:
        sha256 = hashlib.sha256()
        for _ in range(size // DIGEST_CHUNK):
            sha256.update(chunk)
        return sha256.hexdigest()

    return run


def derive_key(random: Random, size: int) -> Job:
    """Derive a key with ``size`` rounds of PBKDF2."""
    password, salt = random.randbytes(16), random.randbytes(16)
    return lambda: hashlib.pbkdf2_hmac("sha256", password, salt, size)


def query(random: Random, size: int) -> Job:
    """Group and sort ``size`` rows in SQLite."""
    rows = [(random.choice(WORDS), random.random()) for _ in range(size)]

    def run() -> object:
        database = sqlite3.connect(":memory:")
        try:
            database.execute("CREATE TABLE runs (word TEXT, value REAL)")
            database.executemany("INSERT INTO runs VALUES (?, ?)", rows)
            return database.execute(
                "SELECT word, count(*), avg(value) FROM runs GROUP BY word ORDER BY 3"
            ).fetchall()
        finally:
            database.close()

    return run


def multiply(random: Random, size: int) -> Job:
    """Multiply two matrices of ``size`` by ``size``."""
    left = [[random.random() for _ in range(size)] for _ in range(size)]
    right = [[random.random() for _ in range(size)] for _ in range(size)]

    def run() -> object:
        columns = list(zip(*right, strict=True))
        return [[math.fsum(map(float.__mul__, row, col)) for col in columns] for row in left]

    return run


def search(random: Random, size: int) -> Job:
    """Find every retry of a task in a log of ``size`` bytes."""
    log = text(random, size).decode("latin-1")
    pattern = re.compile(r"(\d{6}) (?:retry|timeout) (\w+)")
    return lambda: len(pattern.findall(log))


def parse(random: Random, size: int) -> Job:
    """Parse ``size`` JSON objects; one document in sixteen is truncated and raises."""
    rows = [{"id": i, "word": random.choice(WORDS), "x": random.random()} for i in range(100)]
    block = ",".join(map(json.dumps, rows))
    document = f"[{','.join([block] * (size // 100 + 1))}]"
    if random.random() < 1 / 16:
        document = document[: random.randrange(len(document) // 2, len(document))]
    return lambda: len(json.loads(document))


def sieve(_random: Random, size: int) -> Job:
    """Find the primes below ``size``."""

    def run() -> object:
        flags = bytearray([1]) * size
        for number in range(2, math.isqrt(size) + 1):
            if flags[number]:
                flags[number * number :: number] = bytes(len(range(number * number, size, number)))
        return sum(flags) - 2

    return run


def revise(random: Random, size: int) -> Job:
    """Compress ``size`` bytes at increasing levels until the result fits; return the rounds."""
    data = " ".join(random.choices(WORDS, k=size // 6)).encode()
    loosest, tightest = len(zlib.compress(data, 1)), len(zlib.compress(data, 9))
    limit = random.uniform(tightest, loosest)

    def run() -> int:
        for level in range(1, 9):
            if len(zlib.compress(data, level)) <= limit:
                return level
        return 9

    return run


def bundle(random: Random, size: int) -> Job:
    """Pack ``size`` bytes with LZMA; return whether the bundle is small enough to be deployed."""
    data = text(random, size) + random.randbytes(random.randrange(size // 4))
    return lambda: len(lzma.compress(data, preset=1)) <= BUNDLE_LIMIT


DEFLATE = Kind(name="deflate", smallest=400_000, largest=6_000_000, prepare=deflate)
LZMA = Kind(name="lzma", smallest=10_000, largest=900_000, prepare=compress_lzma)
BZ2 = Kind(name="bz2", smallest=8_000, largest=200_000, prepare=compress_bz2)
INFLATE = Kind(name="inflate", smallest=1_500_000, largest=30_000_000, prepare=inflate)
SORT = Kind(name="sort", smallest=8_000, largest=120_000, prepare=sort)
DIGEST = Kind(name="digest", smallest=2_000_000, largest=60_000_000, prepare=digest)
DERIVE_KEY = Kind(name="derive_key", smallest=5_000, largest=120_000, prepare=derive_key)
QUERY = Kind(name="query", smallest=2_000, largest=30_000, prepare=query)
MULTIPLY = Kind(name="multiply", smallest=24, largest=80, prepare=multiply)
SEARCH = Kind(name="search", smallest=100_000, largest=1_500_000, prepare=search)
PARSE = Kind(name="parse", smallest=2_000, largest=40_000, prepare=parse)
SIEVE = Kind(name="sieve", smallest=250_000, largest=5_000_000, prepare=sieve)
REVISE = Kind(name="revise", smallest=6_000, largest=80_000, prepare=revise)
BUNDLE = Kind(name="bundle", smallest=20_000, largest=500_000, prepare=bundle)

KINDS = (
    DEFLATE,
    LZMA,
    BZ2,
    INFLATE,
    SORT,
    DIGEST,
    DERIVE_KEY,
    QUERY,
    MULTIPLY,
    SEARCH,
    PARSE,
    SIEVE,
    REVISE,
    BUNDLE,
)
"""Every kind of work."""
