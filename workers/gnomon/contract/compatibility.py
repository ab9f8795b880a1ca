"""Finds the changes of a schema that break a reader or a stored record.

There are two promises, because producers, consumers and stored records change at different times:

* *read old*: a reader built on the new schema accepts every record the old schema accepts;
* *read new*: a reader built on the old schema accepts every record the new schema accepts.

Readers ignore fields they do not know, so an added optional field keeps both promises. A change of an
existing field keeps both only if it changes no accepted value. A change that this module does not
understand is reported as a break.
"""

from collections.abc import Iterator
from typing import Any, Final

from gnomon.contract.export import Schema

READ_OLD: Final = "a new reader refuses old records"
READ_NEW: Final = "an old reader refuses new records"
MEANING: Final = "old and new readers understand one record differently"

_SAYS_NOTHING: Final = frozenset(
    {"$schema", "$id", "$defs", "$comment", "title", "description", "examples", "deprecated"}
)
_LOWER: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_HANDLED: Final = _SAYS_NOTHING | {
    *_LOWER, *_UPPER, "type", "enum", "default", "properties", "required", "items",
    "additionalProperties", "anyOf", "$ref",
}  # fmt: skip


def breaking_changes(old: Schema, new: Schema) -> list[str]:
    """List what in ``new`` breaks with ``old``, both schemas of one event.

    Returns:
        One sentence for each break, ``path: what changed: whom it breaks``, in the order of the
        schema; empty if both promises hold.
    """
    return list(_value("", _Side(old, old), _Side(new, new), frozenset()))


def breaking_channel_changes(old: Schema, new: Schema) -> list[str]:
    """List what in the AsyncAPI document ``new`` breaks with ``old``: topics, kinds, keys, cleanup.

    A kind of record added to an existing topic is a break too, because a reader refuses a ``kind``
    that it does not know.
    """
    breaks = []
    for name, before in old["channels"].items():
        after = new["channels"].get(name)
        if after is None:
            breaks.append(f"topic {name}: removed: {READ_OLD}")
            continue
        gone = before["messages"].keys() - after["messages"].keys()
        added = after["messages"].keys() - before["messages"].keys()
        breaks += [f"topic {name}: no longer carries {kind}: {READ_OLD}" for kind in sorted(gone)]
        breaks += [f"topic {name}: carries also {kind}: {READ_NEW}" for kind in sorted(added)]
        if _cleanup(before) != _cleanup(after):
            breaks.append(
                f"topic {name}: cleanup {_cleanup(before)!r} became {_cleanup(after)!r}: {MEANING}"
            )
    keys_before, keys_after = _keys(old), _keys(new)
    breaks += [
        f"message {kind}: key {key!r} became {keys_after[kind]!r}: {MEANING}"
        for kind, key in keys_before.items()
        if kind in keys_after and keys_after[kind] != key
    ]
    return breaks


def _cleanup(channel: Schema) -> Any:
    return channel["bindings"]["kafka"]["topicConfiguration"]["cleanup.policy"]


def _keys(document: Schema) -> dict[str, Any]:
    messages = document["components"]["messages"]
    return {kind: message["bindings"]["kafka"]["key"] for kind, message in messages.items()}


class _Side:
    """One schema with ``$ref`` resolved, and the document that contains it."""

    def __init__(self, schema: Schema, document: Schema) -> None:
        self.reference = str(schema.get("$ref", ""))
        while "$ref" in schema:
            target = document["$defs"][schema["$ref"].rpartition("/")[2]]
            siblings = {keyword: value for keyword, value in schema.items() if keyword != "$ref"}
            schema = {**target, **siblings}
        self.schema, self.document = schema, document

    def part(self, schema: Schema) -> "_Side":
        return _Side(schema, self.document)

    def branches(self) -> dict[str, "_Side"]:
        """The alternatives of the schema by the JSON type that each accepts."""
        found: dict[str, _Side] = {}
        options = self.schema.get("anyOf")
        for side in [self] if options is None else [self.part(option) for option in options]:
            kinds = side.schema.get("type", "enum" if "enum" in side.schema else "anything")
            for kind in [kinds] if isinstance(kinds, str) else kinds:
                while kind in found:
                    kind += "'"  # noqa: PLW2901  a second alternative of one type is another
                found[kind] = side
        return found


def _value(path: str, old: _Side, new: _Side, seen: frozenset[tuple[str, str]]) -> Iterator[str]:
    """Compare the values allowed at ``path``; ``seen`` ends the recursion of recursive types."""
    if "default" in old.schema and "default" in new.schema:
        before, after = old.schema["default"], new.schema["default"]
        if before != after:
            yield _say(path, f"default {before!r} became {after!r}", MEANING)
    was, now = old.branches(), new.branches()
    for number, other in (("integer", "number"), ("number", "integer")):
        if number in was and number not in now and other in now and other not in was:
            yield _say(path, *_renumbered(number))
            now[number] = now.pop(other)
    for kind in sorted(was.keys() - now.keys()):
        yield _say(path, f"no longer accepts {kind}", READ_OLD)
    for kind in sorted(now.keys() - was.keys()):
        yield _say(path, f"accepts also {kind}", READ_NEW)
    for kind, before_branch in was.items():
        if kind in now:
            yield from _branch(path, before_branch, now[kind], seen)


def _renumbered(was: str) -> tuple[str, str]:
    if was == "integer":
        return "integer became number", READ_NEW
    return "number became integer", READ_OLD


def _branch(path: str, old: _Side, new: _Side, seen: frozenset[tuple[str, str]]) -> Iterator[str]:
    """Compare two alternatives of the same JSON type."""
    visit = (old.reference, new.reference)
    if visit in seen:
        return
    seen |= {visit} if all(visit) else frozenset()
    yield from _bounds(path, old.schema, new.schema)
    yield from _choices(path, old.schema, new.schema)
    yield from _fields(path, old, new, seen)
    for keyword, name in (("items", "[]"), ("additionalProperties", "{}")):
        before, after = old.schema.get(keyword), new.schema.get(keyword)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from _value(path + name, old.part(before), new.part(after), seen)
        elif before != after:
            yield _say(path, f"{keyword} {before!r} became {after!r}", MEANING)
    for keyword in sorted((old.schema.keys() | new.schema.keys()) - _HANDLED):
        before, after = old.schema.get(keyword), new.schema.get(keyword)
        if before != after:
            yield _say(path, f"{keyword} {before!r} became {after!r}", MEANING)


def _bounds(path: str, old: Schema, new: Schema) -> Iterator[str]:
    for keywords, sign in ((_LOWER, 1), (_UPPER, -1)):
        for keyword in keywords:
            before, after = old.get(keyword), new.get(keyword)
            if before == after:
                continue
            tighter = before is None or (after is not None and (after - before) * sign > 0)
            what = f"{keyword} {before!r} became {after!r}"
            yield _say(path, what, READ_OLD if tighter else READ_NEW)


def _choices(path: str, old: Schema, new: Schema) -> Iterator[str]:
    before, after = old.get("enum"), new.get("enum")
    if before is None and after is None:
        return
    if before is None or after is None:
        direction = READ_OLD if before is None else READ_NEW
        yield _say(path, f"enum {before!r} became {after!r}", direction)
        return
    for value in (value for value in before if value not in after):
        yield _say(path, f"no longer accepts {value!r}", READ_OLD)
    for value in (value for value in after if value not in before):
        yield _say(path, f"accepts also {value!r}", READ_NEW)


def _fields(path: str, old: _Side, new: _Side, seen: frozenset[tuple[str, str]]) -> Iterator[str]:
    was, now = old.schema.get("properties", {}), new.schema.get("properties", {})
    needed_before = set(old.schema.get("required", ()))
    needed_after = set(new.schema.get("required", ()))
    for name, before in was.items():
        inner = f"{path}.{name}".lstrip(".")
        if name not in now:
            direction = READ_NEW if name in needed_before else MEANING
            yield _say(inner, "removed or renamed", direction)
            continue
        if name in needed_before - needed_after:
            yield _say(inner, "may now be left out", READ_NEW)
        if name in needed_after - needed_before:
            yield _say(inner, "must now be there", READ_OLD)
        yield from _value(inner, old.part(before), new.part(now[name]), seen)
    for name in sorted((needed_after - needed_before) - was.keys()):
        yield _say(f"{path}.{name}".lstrip("."), "added without a default", READ_OLD)


def _say(path: str, what: str, direction: str) -> str:
    return f"{path or 'record'}: {what}: {direction}"
