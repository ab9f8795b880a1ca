"""The settings and variables as a page of Markdown: ``docs/settings.md``."""

import textwrap
from collections.abc import Iterable, Mapping
from typing import Final

from gnomon.settings.declaration import Setting
from gnomon.settings.variables import OF_AGENTS, OF_ALL_PROCESSES, Variable

_WIDTH: Final = 120
_HEAD: Final = """# Settings

`gnomon --config gnomon.toml` (or `GNOMON_CONFIG`) names a file of settings in TOML, with one line for each setting:

```toml
brokers = "kafka-1:9092,kafka-2:9092"
model_poll_s = 2.5
```

An environment variable replaces what the file says, and an option of a command replaces both. `gnomon config show`
prints the values in force and where each came from. `gnomon config check` refuses unknown names, in the file and among
the variables that begin with `GNOMON_`, and names the nearest known one. A command refuses a file with an unknown
name; a worker warns of an unknown variable. A file that contains a secret must not be readable by everyone.

Agents read the same file if `GNOMON_CONFIG` names it: `brokers`, `topic_prefix`, the settings that begin with
`kafka_`, and those below that are of agents alone. They ignore all others.

A snapshot of a stage's state keeps the settings that the state depends on. After a change of one of these, the stage
does not use the snapshot but folds the log again: "Folded by" names the stages.

This page is generated: `gnomon config table > docs/settings.md`.
"""


def markdown(declared: Mapping[str, Setting]) -> str:
    """Return the page."""
    return "\n".join(
        [
            _HEAD,
            "## Of gnomon's processes\n",
            "Each has its key in the file, and its variable.\n",
            *(_setting(each) for each in declared.values()),
            "\n## Of agents\n",
            "In the file, the key of each but `GNOMON_TRACE` is the name without `GNOMON_`, in small letters. The gateway\n"
            "reads those of spool, sealing and tenant too.\n",
            *_variables(OF_AGENTS),
            "\n## Variables that are in no file\n",
            *_variables(OF_ALL_PROCESSES),
            "",
        ]
    )


def _setting(each: Setting) -> str:
    default = each.otherwise or ("none" if each.default == "" else f"`{each.default}`")
    about = f"{each.about} Secret." if each.secret else each.about
    folded = f" Folded by: {', '.join(each.folded_by)}." if each.folded_by else ""
    return _item(
        f"`{each.name}`, `{each.variable}`: {about} Values: {each.kind}. Default: {default}.{folded}"
    )


def _variables(found: Iterable[Variable]) -> Iterable[str]:
    for each in found:
        yield _item(f"`{each.name}`: {each.about} Default: {each.default}.")


def _item(text: str) -> str:
    """Return an item of a list."""
    return textwrap.fill(
        text,
        _WIDTH,
        initial_indent="- ",
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
