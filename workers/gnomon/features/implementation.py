"""The choice of implementation of an agent's memory: compiled where it was built, else Python.

Both give the same features to the last bit and read each other's snapshots.
"""

import importlib
import os

from gnomon.features.memory.agent import Agent as PythonAgent
from gnomon.features.memory.agent_memory import AgentMemory


def _chosen() -> type[AgentMemory]:
    if os.environ.get("GNOMON_PURE_PYTHON") == "1":
        return PythonAgent
    try:
        native = importlib.import_module("gnomon.features.compiled.native")
    except ImportError:
        return PythonAgent
    compiled: type[AgentMemory] = native.Agent
    return compiled


Agent: type[AgentMemory] = _chosen()
COMPILED: bool = Agent is not PythonAgent
