"""Completion as the shells do it: each runs its own script, in a process of its own."""

import shutil
import subprocess
from pathlib import Path

import pytest
from tests.support.commands import gnomon

from gnomon.cli.main import COMMANDS

NAMES = {name for name, *_ in COMMANDS}
CASES: tuple[tuple[tuple[str, ...], set[str]], ...] = (
    (("",), NAMES),
    (("sta",), {"status"}),
    (("drill", "iso"), {"isolation"}),
    (("models", ""), {"list", "promote", "rollback", "sync"}),
    (("train", "--learner", "b"), {"boosted"}),
    (("up", "--kafka"), {"--kafka-port"}),
    (("--config", "x", "learn", "--every"), {"--every-decisions", "--every-hours"}),
    (("worker", "--superv"), set()),
)
BASH = """
source "$1"; shift
function=$(complete -p gnomon | sed 's/.*-F \\([^ ]*\\).*/\\1/')
COMP_WORDS=(gnomon "$@"); COMP_CWORD=$#; COMPREPLY=()
$function gnomon "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


ZSH = r"""
zmodload zsh/zpty
zpty shell zsh -f
zpty -w shell "PS1=; fpath=($1 \$fpath); autoload -U compinit; compinit -D -u; echo REA''DY"
zpty -r shell said '*READY*'
zpty -w -n shell $'gnomon drill \t'
zpty -r shell said '*security*'
for word in isolation rollback security record; do
    [[ $said == *$word* ]] && print $word
done
zpty -d shell
"""
"""A shell with a terminal of its own, in which the tabulator is pressed."""


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("completion")
    for shell in ("bash", "zsh", "fish"):
        done = gnomon("completion", shell)
        assert done.returncode == 0, done.stderr
        (folder / f"_gnomon.{shell}").write_text(done.stdout)
    (folder / "_gnomon").write_text((folder / "_gnomon.zsh").read_text())
    return folder


def needs(shell: str) -> str:
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"{shell} is not installed")
    return found


def output(*command: str) -> set[str]:
    done = subprocess.run(  # noqa: S603  a shell with our own script
        command, capture_output=True, text=True, check=False, timeout=30
    )
    assert done.stderr == ""
    return set(done.stdout.split("\n")) - {""}


@pytest.mark.parametrize(("words", "completed"), CASES)
def test_bash_completes(scripts: Path, words: tuple[str, ...], completed: set[str]) -> None:
    found = output(needs("bash"), "-c", BASH, "bash", str(scripts / "_gnomon.bash"), *words)
    assert found - {"-h", "--help"} == completed


@pytest.mark.parametrize(("words", "completed"), CASES)
def test_fish_completes(scripts: Path, words: tuple[str, ...], completed: set[str]) -> None:
    line = " ".join(("gnomon", *words))
    code = f"source {scripts / '_gnomon.fish'}; complete --do-complete '{line}'"
    found = {each.partition("\t")[0] for each in output(needs("fish"), "--no-config", "-c", code)}
    assert found >= completed


def test_zsh_completes(scripts: Path) -> None:
    found = output(needs("zsh"), "-f", "-c", ZSH, "zsh", str(scripts))
    assert found == {"isolation", "rollback", "security", "record"}


def test_files_are_completed_where_one_is_asked_for(scripts: Path, tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_text("")
    found = output(
        needs("bash"), "-c", BASH, "bash", str(scripts / "_gnomon.bash"), "replay",
        "--report", f"{tmp_path}/ru",
    )  # fmt: skip
    assert found == {f"{tmp_path}/runs.csv"}
