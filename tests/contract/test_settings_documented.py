"""Every setting and variable that the source reads is declared, and docs/settings.md has them all."""

import ast
import re
from pathlib import Path

from gnomon.settings.settings import DECLARED
from gnomon.settings.table import markdown
from gnomon.settings.variables import OTHER_VARIABLES

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "workers" / "gnomon"


def read_from_environ(tree: ast.AST) -> set[str]:
    """Names in ``environ.get(NAME…)``, ``environ[NAME]`` and ``getenv(NAME)``."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript):
            reader, name = ast.unparse(node.value), node.slice
        elif isinstance(node, ast.Call) and node.args:
            reader, name = ast.unparse(node.func), node.args[0]
        else:
            continue
        if not re.search(r"(environ(\.get)?|getenv)$", reader):
            continue
        if isinstance(name, ast.Constant) and isinstance(name.value, str):
            found.add(name.value)
    return found


def names_in_source() -> set[str]:
    found = set()
    for path in SOURCE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        found |= read_from_environ(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= set(re.findall(r"\bGNOMON_[A-Z][A-Z0-9_]*[A-Z0-9]\b", node.value))
    return found


def test_every_variable_in_the_source_is_declared() -> None:
    declared = {each.variable for each in DECLARED.values()} | {v.name for v in OTHER_VARIABLES}
    # Names of variables that Kubernetes or the tests set, and one that begins them.
    foreign = {"GNOMON_TEST"}

    found = names_in_source()

    assert {"GNOMON_SEAL_TO", "JAVA_HOME", "GNOMON_PURE_PYTHON", "GNOMON_SPOOL_BYTES"} <= found
    assert found - declared - foreign == set()
    assert {v.name for v in OTHER_VARIABLES} - found - {"GNOMON_CONFIG"} == set()


def test_the_page_of_settings_is_the_declarations() -> None:
    page = (ROOT / "docs" / "settings.md").read_text()

    assert page == markdown(DECLARED), "run: gnomon config table > docs/settings.md"
    for each in DECLARED.values():
        assert f"- `{each.name}`, `{each.variable}`: " in page


def test_every_variable_in_the_documents_exists() -> None:
    declared = {each.variable for each in DECLARED.values()} | {v.name for v in OTHER_VARIABLES}
    pages = [*ROOT.glob("docs/*.md"), ROOT / "README.md", ROOT / "deploy" / "Dockerfile"]
    named = {
        name
        for page in pages
        for name in re.findall(r"GNOMON_[A-Z0-9_]*[A-Z0-9](?![A-Z0-9_*])", page.read_text())
    }

    assert named - declared == set()
