"""The settings and variables as a page of Markdown: ``docs/settings.md``."""

from collections.abc import Iterable, Mapping

from gnomon.settings.declaration import Setting
from gnomon.settings.variables import OF_AGENTS, OF_ALL_PROCESSES, Variable

_HEAD = """# Settings

`gnomon --config gnomon.toml` (or `GNOMON_CONFIG`) names a file of settings in TOML, with one line for each setting:

```toml
brokers = "kafka-1:9092,kafka-2:9092"
model_poll_s = 2.5
```

An environment variable replaces what the file says, and an option of a command replaces both. `gnomon config show`
prints the values in force and where each came from. `gnomon config check` refuses unknown names, in the file and among
the variables that begin with `GNOMON_`, and names the nearest known one. A command refuses a file with an unknown
name; a worker warns of an unknown variable. A file that contains a secret must not be readable by everyone.

A snapshot of a stage's state keeps the settings that the state depends on. After a change of one of these, the stage
does not use the snapshot but folds the log again: "folded by" names the stages.

This page is generated: `gnomon config table > docs/settings.md`.
"""


def markdown(declared: Mapping[str, Setting]) -> str:
    """Return the page."""
    return "\n".join(
        [
            _HEAD,
            "## Of gnomon's processes\n",
            "| key in the file | variable | meaning | values | default | folded by |",
            "|---|---|---|---|---|---|",
            *(_row(each) for each in declared.values()),
            "\n## Variables of agents\n",
            "The gateway reads those of spool and sealing too.\n",
            *_variables(OF_AGENTS),
            "\n## Variables that are in no file\n",
            *_variables(OF_ALL_PROCESSES),
            "",
        ]
    )


def _row(each: Setting) -> str:
    default = each.otherwise or ("none" if each.default == "" else f"`{each.default}`")
    about = f"{each.about} Secret." if each.secret else each.about
    cells = (
        f"`{each.name}`",
        f"`{each.variable}`",
        about,
        each.kind,
        default,
        ", ".join(each.folded_by),
    )
    return f"| {' | '.join(cells)} |"


def _variables(found: Iterable[Variable]) -> Iterable[str]:
    yield "| variable | meaning | default |"
    yield "|---|---|---|"
    for each in found:
        yield f"| `{each.name}` | {each.about} | {each.default} |"
