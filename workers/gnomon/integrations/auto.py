"""Instruments frameworks when the application imports them: ``import gnomon.integrations.auto``.

This does nothing unless ``GNOMON_TRACE`` is set: to ``1`` for all frameworks, or to names
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
"""By name: the framework's module to wait for, and gnomon's module that instruments it."""


def wanted(environ: Mapping[str, str]) -> frozenset[str]:
    """Return the frameworks that ``GNOMON_TRACE`` names. An unknown name is logged."""
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
    """Instrument each of these frameworks: now if it is imported, else when it is."""
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
    """Instrument a framework. If that fails, for example with another version, only log it."""
    try:
        module = importlib.import_module(ours)
        if ours != FRAMEWORKS["langchain"][1]:  # LangChain reads GNOMON_TRACE itself
            module.instrument()
    except Exception as error:  # an import of the application must not fail because of gnomon
        logger.warning("gnomon: %s: %s; nothing is recorded", ours, error)


class _Watcher(importlib.abc.MetaPathFinder):
    """Import hook that notices the awaited modules; the other finders find them as usual."""

    def __init__(self, awaited: dict[str, str]) -> None:
        self._awaited = awaited

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of an awaited module, with a loader that instruments it after loading."""
        ours = self._awaited.pop(fullname, None)
        if ours is None:
            return None
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, ours)
        return spec


class _Loader(importlib.abc.Loader):
    """Loads a module with another loader, then instruments it."""

    def __init__(self, loader: importlib.abc.Loader, ours: str) -> None:
        self._loader, self._ours = loader, ours

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Create the module with the other loader."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Execute the module with the other loader, which becomes its loader again."""
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        _instrument(self._ours)


watch(wanted(os.environ))
