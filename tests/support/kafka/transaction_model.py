"""A model of ``docs/transactions.md``: coordinators, generations, workers and zombies, searched completely.

Each worker has one transactional id. A record is one input offset of a partition; its output has the
same number. ``explore`` visits every state that the bounds allow, breadth first, and returns the shortest
way to a state in which a record is lost or doubled, a live member is fenced, or a dead worker's open
transaction holds back readers of a partition that goes on.
"""

from collections import deque
from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple, TypeVar

NOBODY = -1


class Rules(NamedTuple):
    """The rules of the protocol, by their numbers in the document; ``False`` leaves one out."""

    generation_is_sent: bool = True
    generation_is_captured: bool = True
    offsets_are_stable: bool = True
    missed_generation_recovers: bool = True
    failure_is_aborted: bool = True
    unknown_end_recovers: bool = True
    dead_owners_are_ended: bool = True
    members_are_spared: bool = True
    missed_generation_renews: bool = True


class Bounds(NamedTuple):
    """The size of the model."""

    workers: int = 2
    partitions: int = 1
    records: int = 2
    generations: int = 3
    crashes: int = 1


class Writing(NamedTuple):
    """What a worker knows of its transaction; ``step`` is the number of requests answered."""

    step: int
    generation: int
    records: tuple[tuple[int, int], ...]


class Worker(NamedTuple):
    """A worker; ``following`` has the next record of each partition whose state it has."""

    up: bool = True
    generation: int = NOBODY
    epoch: int = 0
    owned: frozenset[int] = frozenset()
    following: tuple[int | None, ...] = ()
    writing: Writing | None = None


class Transaction(NamedTuple):
    """What the brokers know of a transactional id."""

    epoch: int = 0
    outputs: tuple[tuple[int, int], ...] = ()
    offsets: tuple[tuple[int, int], ...] = ()
    ending: bool = False


class State(NamedTuple):
    """The cluster and all workers. ``owners`` is the metadata beside each committed offset."""

    workers: tuple[Worker, ...]
    transactions: tuple[Transaction, ...]
    generation: int = 0
    members: frozenset[int] = frozenset()
    committed: tuple[int, ...] = ()
    owners: tuple[int, ...] = ()
    visible: tuple[tuple[int, ...], ...] = ()
    crashes: int = 0


T = TypeVar("T")
Step = tuple[str, State]


def explore(
    rules: Rules, bounds: Bounds, *, records_only: bool = False
) -> tuple[int, list[str] | None]:
    """Return the number of states, and the steps to a violation if one can be reached.

    With ``records_only``, only a record that is lost or doubled is a violation.
    """
    n = bounds.partitions
    start = State(
        (Worker(following=(None,) * n),) * bounds.workers,
        (Transaction(),) * bounds.workers,
        committed=(0,) * n,
        owners=(NOBODY,) * n,
        visible=((),) * n,
    )
    came_from: dict[State, tuple[str, State] | None] = {start: None}
    waiting = deque([start])
    while waiting:
        state = waiting.popleft()
        found = wrong_records(state)
        if found is None and not records_only:
            found = needless_harm(state)
        if found is not None:
            return len(came_from), [*_way(came_from, state), found]
        for name, after in _steps(state, rules, bounds):
            if after not in came_from:
                came_from[after] = (name, state)
                waiting.append(after)
    return len(came_from), None


def wrong_records(state: State) -> str | None:
    """Say in which partition a record is lost or doubled, if one is."""
    for partition in range(len(state.committed)):
        if state.visible[partition] != tuple(range(state.committed[partition])):
            return f"partition {partition}: {state.visible[partition]} is readable"
    return None


def needless_harm(state: State) -> str | None:
    """Say which member is fenced, or which partition goes on while its readers must wait, if one does."""
    for number in state.members:
        worker = state.workers[number]
        if worker.up and worker.epoch != state.transactions[number].epoch:
            return f"member {number} was fenced"
        for partition in worker.owned:
            owner = state.owners[partition]
            if worker.following[partition] is None or owner in {NOBODY, *state.members}:
                continue
            if any(p == partition for p, _ in state.transactions[owner].outputs):
                return f"partition {partition} goes on, behind what {owner} left open"
    return None


def _way(came_from: dict[State, tuple[str, State] | None], state: State) -> list[str]:
    steps = []
    while (step := came_from[state]) is not None:
        name, state = step
        steps.append(name)
    return steps[::-1]


def _steps(state: State, rules: Rules, bounds: Bounds) -> Iterator[Step]:
    if state.generation < bounds.generations:
        yield from _rebalances(state, rules)
    for number, (worker, transaction) in enumerate(
        zip(state.workers, state.transactions, strict=True)
    ):
        if transaction.ending:
            yield f"{number}: markers are written", _completed(state, number)
        elif transaction.outputs and not (worker.up and number in state.members):
            yield f"{number}: transaction times out", _aborted(state, number)
        if not worker.up:
            yield f"{number}: restarts", _restarted(state, number)
            continue
        if state.crashes < bounds.crashes:
            crashed = _with(
                state, number, Worker(up=False, following=(None,) * len(state.committed))
            )
            yield f"{number}: crashes", crashed._replace(crashes=state.crashes + 1)
        yield from _recoveries(state, number, rules)
        yield from _writes(state, number, rules, bounds)


def _rebalances(state: State, rules: Rules) -> Iterator[Step]:
    up = [number for number, worker in enumerate(state.workers) if worker.up]
    for size in range(1, len(up) + 1):
        for members in combinations(up, size):
            for turn in range(size):
                shares = {
                    member: frozenset(
                        p
                        for p in range(len(state.committed))
                        if members[(p + turn) % size] == member
                    )
                    for member in members
                }
                yield f"rebalance {members}, {turn}", _assigned(state, shares, rules)


def _assigned(state: State, shares: dict[int, frozenset[int]], rules: Rules) -> State:
    generation = state.generation + 1
    knows = any(state.workers[number].generation == state.generation for number in shares)
    if rules.dead_owners_are_ended and knows:
        for number in state.members - set(shares):
            state = _fenced(state, number)
    for number, owned in shares.items():
        worker = state.workers[number]
        missed = worker.generation != state.generation
        if missed and rules.missed_generation_renews:
            state = _restarted(state, number)
            worker = worker._replace(epoch=state.workers[number].epoch, writing=None)
        forgets = missed and rules.missed_generation_recovers
        following = tuple(
            worker.following[p] if p in owned & worker.owned and not forgets else None
            for p in range(len(state.committed))
        )
        after = worker._replace(generation=generation, owned=owned, following=following)
        state = _with(state, number, after)
    return state._replace(generation=generation, members=frozenset(shares))


def _recoveries(state: State, number: int, rules: Rules) -> Iterator[Step]:
    """End what dead owners left, read stable offsets, and rebuild the state there."""
    worker = state.workers[number]
    if number not in state.members:  # its offsets are not asked for before it has joined
        return
    for partition in worker.owned:
        if worker.following[partition] is not None:
            continue
        before, owner = state, state.owners[partition]
        spared = {number, *state.members} if rules.members_are_spared else {number}
        if rules.dead_owners_are_ended and owner not in {NOBODY, *spared}:
            before = _fenced(state, owner)
        pending = [p for t in before.transactions for p, _ in t.offsets]
        if rules.offsets_are_stable and partition in pending:
            continue
        following = list(worker.following)
        following[partition] = before.committed[partition]
        after = worker._replace(following=tuple(following))
        yield f"{number}: recovers {partition}", _with(before, number, after)


def _writes(state: State, number: int, rules: Rules, bounds: Bounds) -> Iterator[Step]:
    worker, transaction = state.workers[number], state.transactions[number]
    writing = worker.writing
    if writing is None:
        ready = [
            (p, n)
            for p in sorted(worker.owned)
            if (n := worker.following[p]) is not None and n < bounds.records
        ]
        if not transaction.ending:
            for size in range(1, len(ready) + 1):
                for records in combinations(ready, size):
                    begun = worker._replace(writing=Writing(0, worker.generation, records))
                    yield f"{number}: begins {records}", _with(state, number, begun)
    elif worker.epoch != transaction.epoch:
        yield f"{number}: is fenced", _with(state, number, _empty(worker))
    elif writing.step == 0:
        outputs = (*transaction.outputs, *writing.records)
        yield f"{number}: produces", _answered(state, number, outputs=outputs)
    elif writing.step == 1:
        yield f"{number}: sends offsets", _offsets_sent(state, number, rules)
    else:
        yield from _ends(state, number, rules)


def _offsets_sent(state: State, number: int, rules: Rules) -> State:
    worker, transaction = state.workers[number], state.transactions[number]
    writing = worker.writing
    assert writing is not None
    sent = writing.generation if rules.generation_is_captured else worker.generation
    current = number in state.members and sent == state.generation
    if current or not rules.generation_is_sent:
        offsets = tuple((p, n + 1) for p, n in writing.records)
        return _answered(state, number, offsets=(*transaction.offsets, *offsets))
    refused = _with(state, number, worker._replace(writing=None))
    return _aborted(refused, number, epoch=0) if rules.failure_is_aborted else refused


def _ends(state: State, number: int, rules: Rules) -> Iterator[Step]:
    worker = state.workers[number]
    writing = worker.writing
    assert writing is not None
    following = list(worker.following)
    for partition, record in writing.records:
        if following[partition] == record:
            following[partition] = record + 1
    done = worker._replace(writing=None, following=tuple(following))
    ending = state.transactions[number]._replace(ending=True)
    ended = state._replace(transactions=_put(state.transactions, number, ending))
    yield f"{number}: ends", _with(ended, number, done)
    unsure = _empty(worker) if rules.unknown_end_recovers else worker._replace(writing=None)
    yield f"{number}: ends, but the answer is lost", _with(ended, number, unsure)


def _empty(worker: Worker) -> Worker:
    """A worker that has to recover every partition."""
    return worker._replace(writing=None, following=(None,) * len(worker.following))


def _answered(state: State, number: int, **of_transaction: object) -> State:
    worker, transaction = state.workers[number], state.transactions[number]
    assert worker.writing is not None
    writing = worker.writing._replace(step=worker.writing.step + 1)
    after = state._replace(
        transactions=_put(
            state.transactions,
            number,
            transaction._replace(**of_transaction),  # type: ignore[arg-type]  # fields by name
        )
    )
    return _with(after, number, worker._replace(writing=writing))


def _completed(state: State, number: int) -> State:
    """The end markers are written: outputs and offsets become visible together."""
    transaction = state.transactions[number]
    committed, owners, visible = list(state.committed), list(state.owners), list(state.visible)
    for partition, record in transaction.outputs:
        visible[partition] = (*visible[partition], record)
    for partition, offset in transaction.offsets:
        committed[partition], owners[partition] = offset, number
    return state._replace(
        transactions=_put(state.transactions, number, Transaction(transaction.epoch)),
        committed=tuple(committed),
        owners=tuple(owners),
        visible=tuple(visible),
    )


def _aborted(state: State, number: int, *, epoch: int = 1) -> State:
    """The transaction is aborted, by its worker (the epoch stays) or by the coordinator."""
    after = Transaction(state.transactions[number].epoch + epoch)
    return state._replace(transactions=_put(state.transactions, number, after))


def _fenced(state: State, number: int) -> State:
    """InitProducerId: a transaction that was ending is completed, another is aborted."""
    if state.transactions[number].ending:
        state = _completed(state, number)
    return _aborted(state, number)


def _restarted(state: State, number: int) -> State:
    state = _fenced(state, number)
    none = (None,) * len(state.committed)
    return _with(state, number, Worker(epoch=state.transactions[number].epoch, following=none))


def _with(state: State, number: int, worker: Worker) -> State:
    return state._replace(workers=_put(state.workers, number, worker))


def _put(values: tuple[T, ...], at: int, value: T) -> tuple[T, ...]:
    return (*values[:at], value, *values[at + 1 :])
