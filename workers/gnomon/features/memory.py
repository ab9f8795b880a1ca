"""Which memory of an agent is used: the compiled one where it could be built, else Python's.

Both answer the same to the last bit and read one another's snapshots.
"""

import importlib
import os

from gnomon.features.agent import Agent as PythonAgent
from gnomon.features.figures import AgentMemory


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
