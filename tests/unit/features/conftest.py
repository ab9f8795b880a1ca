"""Everything here holds for both forms of an agent's memory."""

from collections.abc import Iterator
from unittest.mock import patch

import pytest

from gnomon.features import implementation
from gnomon.features.memory.agent import Agent
from gnomon.features.state import FeaturesState


@pytest.fixture(scope="package", autouse=True, params=["compiled", "python"])
def form(request: pytest.FixtureRequest) -> Iterator[str]:
    """The form that a state uses by default."""
    if request.param == "compiled" and not implementation.COMPILED:
        pytest.skip("gnomon.features.compiled.native was not compiled here: pip install says why")
    used = Agent if request.param == "python" else implementation.Agent
    with patch.object(FeaturesState.__init__, "__defaults__", (used,)):
        yield request.param
