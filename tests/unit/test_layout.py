"""The folders tell the architecture: none holds too much, and the documentation names each package."""

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "workers" / "gnomon"
MOST_MODULES = 15


def test_no_folder_has_too_many_modules() -> None:
    found = (
        path
        for top in ("workers", "tests", "benchmarks", "deploy", "examples")
        for kind in ("*.py", "*.pyx")
        for path in (ROOT / top).rglob(kind)
        if path.name != "__init__.py"
    )
    modules = Counter(str(path.parent.relative_to(ROOT)) for path in found)

    assert len(modules) > 50
    assert {folder: n for folder, n in modules.items() if n > MOST_MODULES} == {}


def test_the_architecture_names_every_package_and_no_other() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    (table,) = re.findall(r"^## Where things are$.*?(?=^## )", text, re.DOTALL | re.MULTILINE)
    cells = re.findall(r"^\| (`[^|]+) \|", table, re.MULTILINE)
    named = {name for cell in cells for name in re.findall(r"`([a-z_/.]+)`", cell)}
    packages = {str(path.parent.relative_to(PACKAGE)) for path in PACKAGE.glob("*/**/__init__.py")}

    assert named - packages == {"topics.py"}
    assert packages - named == set()


def test_documents_name_files_that_exist() -> None:
    """By the end of their path: documents leave out the folder that they speak of."""
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *ROOT.glob("*/*/README.md")]
    tops = [path for path in ROOT.iterdir() if path.is_dir() and path.name[0] != "."]
    files = [*ROOT.iterdir(), *(path for top in tops for path in top.rglob("*.*"))]
    ends = {f"/{path.relative_to(ROOT)}" for path in files}
    named = {
        (document.name, name)
        for document in documents
        for name in re.findall(r"`([\w./-]+\.(?:py|pyx|pxd|sql|toml))`", document.read_text())
    }

    assert len(named) > 100
    assert [each for each in named if not any(end.endswith(f"/{each[1]}") for end in ends)] == []
