"""``gnomon completion``: print what lets a shell complete commands, options and choices."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from gnomon.settings import Settings

SHELLS = ("bash", "zsh", "fish")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = (
        "Print a script for a shell, made from the commands of this version of gnomon."
    )
    parser.add_argument("shell", choices=SHELLS, help="the shell that is to complete")
    parser.epilog = (
        "examples:\n"
        "  gnomon completion bash > ~/.local/share/bash-completion/completions/gnomon\n"
        "  gnomon completion zsh > ~/.zfunc/_gnomon     # in .zshrc: fpath+=~/.zfunc; autoload -U compinit; compinit\n"
        "  gnomon completion fish > ~/.config/fish/completions/gnomon.fish"
    )


def run(options: argparse.Namespace, _settings: Settings) -> int:
    """Print the script."""
    import shtab  # noqa: PLC0415  only in gnomon[workers]

    from gnomon.cli.main import argument_parser  # noqa: PLC0415  it imports this module

    parser = argument_parser(lambda _name: True)
    for action in _actions(parser):
        if action.type is Path:
            action.complete = shtab.FILE  # type: ignore[attr-defined]  # where shtab looks
    print(shtab.complete(parser, shell=options.shell))
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the arguments of a parser and of all its commands."""
    for action in parser._actions:  # noqa: SLF001  argparse has no other way to them
        yield action
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for command in action.choices.values():
                yield from _actions(command)
