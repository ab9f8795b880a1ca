"""One process that fuzzes one target: ``python -m tests.fuzz.fuzz_target TARGET SECONDS FOLDER``.

The input in hand is in the mapped file ``FOLDER/TARGET.input``, so that the parent has it when the
process dies. Inputs that take a new step are kept in ``FOLDER/TARGET/``. Prints one line of JSON.
"""

import ctypes
import hashlib
import json
import mmap
import random
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from tests.fuzz.mutation import MAX_BYTES, mutated
from tests.fuzz.targets import TARGETS

LENGTH_BYTES = 4


def fuzz(name: str, duration_s: float, folder: Path, new_steps: Callable[[], int] | None) -> int:
    """Mutate for ``duration_s`` seconds; the number of findings, at most one."""
    target = TARGETS[name]
    kept = folder / name
    kept.mkdir(parents=True, exist_ok=True)
    queue = target.corpus(name) + [path.read_bytes() for path in sorted(kept.iterdir())]
    corpus: list[bytes] = []
    chance = random.Random(time.time_ns())  # noqa: S311  no secret
    runs = steps = 0
    ends_at = time.monotonic() + duration_s
    with (folder / f"{name}.input").open("wb+") as file:
        file.truncate(LENGTH_BYTES + MAX_BYTES)
        in_hand = mmap.mmap(file.fileno(), 0)
        while queue or time.monotonic() < ends_at:
            seed = not corpus or bool(queue)
            if seed:
                data = queue.pop()
            else:
                data = mutated(_chosen(corpus, chance), corpus, target.words, chance)
            in_hand[: LENGTH_BYTES + len(data)] = len(data).to_bytes(LENGTH_BYTES, "little") + data
            try:
                target.check(data)
            except Exception:  # any of them is a finding
                print(data, traceback.format_exc()[-3000:], sep="\n", file=sys.stderr)
                return 1
            runs += 1
            found = new_steps() if new_steps else 0
            steps += found
            if seed or found:
                corpus.append(data)
            if found and not seed:
                (kept / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
    print(json.dumps({"target": name, "runs": runs, "corpus": len(corpus), "steps": steps}))
    return 0


def _chosen(corpus: list[bytes], chance: random.Random) -> bytes:
    """The newer inputs more often: they were the last to take a new step."""
    return corpus[max(chance.randrange(len(corpus)), chance.randrange(len(corpus)))]


def main(name: str, duration_s: str, folder: str, library: str = "") -> int:
    """Fuzz ``name``; ``library`` counts new steps, where there is one."""
    new_steps = ctypes.CDLL(library).gnomon_new_steps if library else None
    return fuzz(name, float(duration_s), Path(folder), new_steps)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
