"""``ShadowLearner``: a production agent, unchanged, whose every task is published."""

import copy
import enum
from collections.abc import Mapping
from itertools import islice
from typing import Any, Final, Self

from gnomon.client.capture import wrapping
from gnomon.client.capture.validation import LONGEST_ID, MOST_ITEMS
from gnomon.client.client import Client
from gnomon.client.values import class_name, plain_text
from gnomon.events import ContextValue

_OWN: Final = frozenset({"_agent_name", "_client", "_production_agent"})


class ShadowLearner:
    """Wraps an agent: results and attributes stay the same, and its tasks are published.

    ``execute_task(task)``, a ``def`` or an ``async def`` of the agent, is called with the same
    arguments, and its results and exceptions are passed on unchanged. The task ends when its result
    is there. A future is returned itself, and ends the task when it is done. A coroutine or a
    generator is returned inside another one that passes everything on; the task ends when it ends or
    is closed. Every other attribute is the agent's. Only a task's type is published
    (``task["type"]``, ``task.type`` or the name of its class) and how many fields and characters it
    has; nothing of its text.

    Args:
        agent_name: The agent's id in events.
        production_agent: Any object with ``execute_task``.
        client: Publishes the tasks.
    """

    __slots__ = ("_agent_name", "_client", "_production_agent")

    def __init__(self, agent_name: str, production_agent: Any, client: Client) -> None:
        self._agent_name, self._production_agent, self._client = (
            agent_name,
            production_agent,
            client,
        )

    def execute_task(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the agent's ``execute_task``; await or iterate the result if the agent's is."""
        execute = self._production_agent.execute_task
        task = args[0] if args else kwargs.get("task")
        published = self._client.task(
            _type_of(task), agent_id=self._agent_name, context=_facts_of(task)
        )
        return wrapping.around(execute, lambda: published)(*args, **kwargs)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        # Defined here because ``__getattr__`` would find a ``__deepcopy__`` of the agent's, without this wrapper.
        agent = copy.deepcopy(self._production_agent, memo)
        return type(self)(self._agent_name, agent, self._client)

    def __getattr__(self, name: str) -> Any:
        if name in _OWN:  # not set yet, as while it is being copied
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
    """Return the type that a task has as a field or an attribute, or the name of its class."""
    try:
        kind = task.get("type") if isinstance(task, Mapping) else getattr(task, "type", None)
        if isinstance(kind, enum.Enum):
            kind = kind.value if isinstance(kind.value, str) else kind.name
        name = plain_text(kind, LONGEST_ID)
    except Exception:  # the agent's edge: its task may be anything
        name = None
    return name or class_name(task)[-LONGEST_ID:]


def _facts_of(task: object) -> dict[str, ContextValue]:
    """Return the number of fields, and of characters in fields that are strings."""
    try:
        if isinstance(task, str):
            return {"characters": len(task)}
        values = _values_of(task)
        texts = [value for value in values if type(value) is str]
        return {"fields": len(values), "characters": sum(map(len, texts))}
    except Exception:  # the agent's edge, as above
        return {}


def _values_of(task: object) -> list[Any]:
    """Return the values of its fields; of a mapping that is no dict only the first ``MOST_ITEMS``."""
    if type(task) is dict:
        return list(task.values())
    fields = task if isinstance(task, Mapping) else vars(task)
    return list(islice(fields.values(), MOST_ITEMS))
