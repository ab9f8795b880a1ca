"""Events as JSON Schemas (draft 2020-12), in a text that is the same on every machine.

The event classes are the only source. The files in ``schemas/`` are exported from them, committed,
and compared by a check, so that a reader in any language has the contract without running Python.
"""

import inspect
import json
from typing import Any, Final

import msgspec

from gnomon.events import EVENTS

Schema = dict[str, Any]
"""A JSON object: a schema, a part of one, or a document that holds them."""

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_FIRST: Final = ("$schema", "$id", "$ref", "title", "description", "type", "enum")
_LAST: Final = ("default", "properties", "required", "$defs")
_NAMED_BY_US: Final = frozenset({"properties", "$defs"})


def tag(event: type[msgspec.Struct]) -> str:
    """The value of ``kind`` in every record of ``event``, and the stem of its schema's file."""
    return str(event.__struct_config__.tag)


def file_name(event: type[msgspec.Struct]) -> str:
    """The schema's file, without its folder: ``task_started.v1.schema.json``."""
    return f"{tag(event)}.schema.json"


def event_schema(event: type[msgspec.Struct]) -> Schema:
    """The schema of the records of ``event``; fields that it does not name are allowed.

    Returns:
        A self-contained schema: nested types are in its own ``$defs``.
    """
    exported = msgspec.json.schema(event)
    definitions: Schema = exported["$defs"]
    own = definitions.pop(exported["$ref"].rpartition("/")[2])
    identity = {"$schema": DIALECT, "$id": f"urn:gnomon:schema:{tag(event)}"}
    nested = {"$defs": definitions} if definitions else {}
    return _stable_object({**identity, **own, **nested})


def event_schemas() -> dict[str, Schema]:
    """Every event's schema by its tag, in the order of the pipeline."""
    return {tag(event): event_schema(event) for event in EVENTS}


def render(document: Schema) -> str:
    """The text of ``document`` as it is committed; it ends in a line feed."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _stable_object(schema: Schema) -> Schema:
    """The same schema with keywords in a fixed order, and docstrings without their indentation.

    Python 3.13 strips a docstring's indentation and earlier versions do not, and msgspec does not
    promise an order of keywords. Neither may change a committed file.
    """
    ordered: Schema = {}
    for keyword in sorted(schema, key=_rank):
        value = schema[keyword]
        if keyword == "description":
            ordered[keyword] = inspect.cleandoc(value)
        elif keyword in _NAMED_BY_US:
            ordered[keyword] = {name: _stable(part) for name, part in value.items()}
        else:
            ordered[keyword] = value if keyword == "default" else _stable(value)
    return ordered


def _stable(part: Any) -> Any:
    if isinstance(part, list):
        return [_stable(item) for item in part]
    return _stable_object(part) if isinstance(part, dict) else part


def _rank(keyword: str) -> tuple[int, int, str]:
    if keyword in _FIRST:
        return (0, _FIRST.index(keyword), "")
    if keyword in _LAST:
        return (2, _LAST.index(keyword), "")
    return (1, 0, keyword)
