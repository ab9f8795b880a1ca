"""The compiled features are those of the events, or the compiled modules are not used."""

import importlib.util
import os
import subprocess
import sys

import pytest

from gnomon.features import implementation

BUILT = importlib.util.find_spec("gnomon.features.compiled.native") is not None
ANOTHER_FEATURE = """
import importlib
import msgspec
from gnomon import events

fields = [(name, float) for name in (*events.HourFeatures.__struct_fields__, "max_s")]
events.HourFeatures = msgspec.defstruct("HourFeatures", fields[{kept}], kw_only=True)
from gnomon.features import implementation

print(implementation.COMPILED)
try:
    importlib.import_module("gnomon.features.compiled.vector")
except ImportError as error:
    print(error)
"""


@pytest.mark.skipif(
    not BUILT or os.environ.get("GNOMON_PURE_PYTHON") == "1",
    reason="gnomon.features.compiled.native was not compiled here: pip install says why",
)
def test_what_was_compiled_is_used() -> None:
    """Else every test of the compiled modules would be skipped when they cannot be imported."""
    assert implementation.COMPILED


@pytest.mark.skipif(
    not implementation.COMPILED,
    reason="gnomon.features.compiled.vector was not compiled here: pip install says why",
)
@pytest.mark.parametrize("kept", [":", "1:-1"])
def test_modules_compiled_for_other_features_are_not_used(kept: str) -> None:
    """One feature more than the compiled struct has, and one fewer."""
    script = ANOTHER_FEATURE.replace("{kept}", kept)
    done = subprocess.run(  # noqa: S603  our own interpreter
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=100
    )
    compiled, refusal = done.stdout.splitlines()
    assert compiled == "False"
    assert "compiled for other features" in refusal
