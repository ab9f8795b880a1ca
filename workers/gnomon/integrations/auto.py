"""``import gnomon.integrations.auto``: every framework, as the application imports it.

Does nothing unless ``GNOMON_TRACE`` is set: ``1`` for all frameworks, or some by name
(``langchain,crewai``). A framework that is never imported costs nothing.
"""

import importlib
import importlib.abc
import importlib.util
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Final

logger = logging.getLogger("gnomon")

VARIABLE: Final = "GNOMON_TRACE"
OFF: Final = frozenset({"", "0", "false", "no", "off"})
ALL: Final = frozenset({"1", "true", "yes", "on"})

FRAMEWORKS: Final[Mapping[str, tuple[str, str]]] = {
    "langchain": ("langchain_core.callbacks.manager", "gnomon.integrations.langchain"),
    "openai-agents": ("agents", "gnomon.integrations.openai_agents"),
    "crewai": ("crewai", "gnomon.integrations.crewai"),
}
"""By name: the framework's module after whose import ours can be imported, and ours."""


def wanted(environ: Mapping[str, str]) -> frozenset[str]:
    """The frameworks that ``GNOMON_TRACE`` asks for. An unknown name is said in the log."""
    value = environ.get(VARIABLE, "").strip().lower()
    if value in OFF:
        return frozenset()
    if value in ALL:
        return frozenset(FRAMEWORKS)
    names = {name.strip().replace("_", "-") for name in value.split(",")} - {""}
    unknown = sorted(names - FRAMEWORKS.keys())
    if unknown:
        logger.warning("gnomon: %s: unknown %s; known: %s", VARIABLE, unknown, [*FRAMEWORKS])
    return frozenset(names & FRAMEWORKS.keys())


def watch(names: frozenset[str]) -> None:
    """Instrument each of these frameworks now if it is imported, else as soon as it is."""
    awaited = {}
    for name in sorted(names):
        theirs, ours = FRAMEWORKS[name]
        if theirs in sys.modules:
            _instrument(ours)
        else:
            awaited[theirs] = ours
    if awaited:
        sys.meta_path.insert(0, _Watcher(awaited))


def _instrument(ours: str) -> None:
    """Add to a framework what listens; a framework of another version stays as it is."""
    try:
        module = importlib.import_module(ours)
        if ours != FRAMEWORKS["langchain"][1]:  # which LangChain itself adds, by the variable
            module.instrument()
    except Exception as error:  # the agent's edge: its imports must not fail for this
        logger.warning("gnomon: %s: %s; nothing is recorded", ours, error)


class _Watcher(importlib.abc.MetaPathFinder):
    """Sees the awaited modules being imported; each is found by the other finders, as always."""

    def __init__(self, awaited: dict[str, str]) -> None:
        self._awaited = awaited

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of an awaited module, with a loader that instruments after loading."""
        ours = self._awaited.pop(fullname, None)
        if ours is None:
            return None
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, ours)
        return spec


class _Loader(importlib.abc.Loader):
    """Loads as another loader does, then instruments."""

    def __init__(self, loader: importlib.abc.Loader, ours: str) -> None:
        self._loader, self._ours = loader, ours

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """As the other does."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """As the other does; the module then has its own loader again."""
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        _instrument(self._ours)


watch(wanted(os.environ))
