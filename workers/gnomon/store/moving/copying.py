"""Copies decisions from one store to another, part by part."""

from collections.abc import Callable
from dataclasses import dataclass, field

from gnomon.errors import EventError
from gnomon.store.chosen import Chosen
from gnomon.store.moving.ports import Part, SealedStore


@dataclass(slots=True)
class Copied:
    """How many decisions were copied, and which ones the target refused, with its reason."""

    decisions: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)


def copy(
    source: SealedStore,
    target: SealedStore,
    chosen: Chosen,
    *,
    reason: str,
    on_progress: Callable[[int], object] = lambda _: None,
) -> Copied:
    """Copy decisions with their numbers and keys. A copy that was interrupted can be made again.

    Keys go first, because a decision without its key is lost; and once more at the end, since others
    may have been made meanwhile.

    Args:
        source: Where they are.
        target: Where they go.
        chosen: Which decisions.
        reason: Why, to be kept with the target.
        on_progress: Called after each part with the number of decisions so far.

    Raises:
        ConfigurationError: The source is not whole, or the target cannot be written to.
        StoreUnavailableError: One of them does not answer.
    """
    copied = Copied()
    target.write_keys(source.keys())
    for part in source.parts(chosen):
        try:
            target.write(part)
        except EventError:
            _one_by_one(target, part, copied)
        else:
            copied.decisions += len(part.decisions)
        on_progress(copied.decisions)
    target.write_keys(source.keys())
    target.finish(reason=reason)
    return copied


def _one_by_one(target: SealedStore, part: Part, copied: Copied) -> None:
    figures = {each.task[1]: each for each in part.figures}
    for decision in part.decisions:
        own = figures.get(decision.decision_id)
        try:
            target.write(Part([decision], [own] if own else []))
        except EventError as error:
            copied.refused.append((decision.decision_id, str(error)))
        else:
            copied.decisions += 1
