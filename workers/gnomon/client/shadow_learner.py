"""A production agent as it is, with a task published for each of its own."""

import copy
import enum
from collections.abc import Mapping
from itertools import islice
from typing import Any, Final, Self

from gnomon.client.capture import wrapping
from gnomon.client.capture.validation import LONGEST_ID, MOST_ITEMS, class_name, plain_text
from gnomon.client.client import Client
from gnomon.events import ContextValue

_OWN: Final = frozenset({"_agent_name", "_client", "_production_agent"})


class ShadowLearner:
    """Stands in for an agent: the same results and attributes, and its tasks are learned from.

    ``execute_task(task)``, a ``def`` or an ``async def`` of the agent's, is called with what it is
    given; its result and its exceptions come back as they are. A task ends when its result is
    there: a future comes back itself, and the task ends when that is done; a coroutine or a
    generator, of either kind, comes back inside another that passes everything on, and the task
    ends when it ends or is closed. Every other attribute is the agent's. Of a task only its type is
    told (``task["type"]``, ``task.type`` or the name of its class) and how many fields and
    characters it has; nothing of its text.

    Args:
        agent_name: The agent's id in events.
        production_agent: Any object with ``execute_task``.
        client: Publishes.
    """

    __slots__ = ("_agent_name", "_client", "_production_agent")

    def __init__(self, agent_name: str, production_agent: Any, client: Client) -> None:
        self._agent_name, self._production_agent, self._client = (
            agent_name,
            production_agent,
            client,
        )

    def execute_task(self, /, *args: Any, **kwargs: Any) -> Any:
        """The agent's own ``execute_task``; to be awaited or iterated if that is."""
        execute = self._production_agent.execute_task
        task = args[0] if args else kwargs.get("task")
        published = self._client.task(
            _type_of(task), agent_id=self._agent_name, context=_facts_of(task)
        )
        return wrapping.around(execute, lambda: published)(*args, **kwargs)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        # Asked of the class: the agent may have a ``__deepcopy__`` of its own, which knows of none.
        agent = copy.deepcopy(self._production_agent, memo)
        return type(self)(self._agent_name, agent, self._client)

    def __getattr__(self, name: str) -> Any:
        if name in _OWN:  # not made yet, as while it is being copied
            raise AttributeError(name)
        return getattr(self._production_agent, name)

    def __setattr__(self, name: str, value: object) -> None:
        if name in _OWN:  # as above
            object.__setattr__(self, name, value)
        else:
            setattr(self._production_agent, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._production_agent, name)

    def __dir__(self) -> list[str]:
        return [*dir(type(self)), *dir(self._production_agent)]


def _type_of(task: object) -> str:
    """The type a task says it is of, or the name of its class."""
    try:
        kind = task.get("type") if isinstance(task, Mapping) else getattr(task, "type", None)
        if isinstance(kind, enum.Enum):
            kind = kind.value if isinstance(kind.value, str) else kind.name
        told = plain_text(kind, LONGEST_ID)
    except Exception:  # the agent's edge: its task may be anything
        told = None
    return told or class_name(task)[-LONGEST_ID:]


def _facts_of(task: object) -> dict[str, ContextValue]:
    """How large it is: fields, and characters of those that are strings."""
    try:
        if isinstance(task, str):
            return {"characters": len(task)}
        values = _values_of(task)
        texts = [value for value in values if type(value) is str]
        return {"fields": len(values), "characters": sum(map(len, texts))}
    except Exception:  # the agent's edge, as above
        return {}


def _values_of(task: object) -> list[Any]:
    """Of its fields; the first ones if it is no dict, as its own code may bring them forth."""
    if type(task) is dict:
        return list(task.values())
    fields = task if isinstance(task, Mapping) else vars(task)
    return list(islice(fields.values(), MOST_ITEMS))
