"""The compatibility rule refuses each kind of breaking change, and says whom it breaks.

Every row that breaks a reader carries a witness: a record that jsonschema, which knows nothing
of the rule, accepts under one schema and refuses under the other.
"""

import copy
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
from tests.contract.contract_files import RELEASED, SCHEMAS, TAGS, read, schema

from gnomon.contract.compatibility import breaking_changes, breaking_channel_changes

Schema = dict[str, Any]

BASE: Schema = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "urn:test",
    "title": "Started",
    "description": "Something began.",
    "type": "object",
    "properties": {
        "kind": {"enum": ["started.v1"]},
        "name": {"type": "string", "minLength": 2, "maxLength": 8},
        "count": {"type": "integer", "minimum": 1, "maximum": 9},
        "share": {"anyOf": [{"type": "number", "maximum": 1.0}, {"type": "null"}]},
        "state": {"enum": ["new", "old"]},
        "note": {"type": "string", "default": ""},
        "code": {"anyOf": [{"type": "string", "maxLength": 2}, {"type": "string", "minLength": 5}]},
        "labels": {"type": "object", "additionalProperties": {"type": "integer"}},
        "parts": {"type": "array", "items": {"$ref": "#/$defs/Part"}},
        "first": {"$ref": "#/$defs/Part"},
    },
    "required": ["kind", "name", "count", "state"],
    "$defs": {
        "Part": {
            "title": "Part",
            "type": "object",
            "properties": {
                "size": {"type": "integer", "minimum": 0},
                "inner": {"anyOf": [{"$ref": "#/$defs/Part"}, {"type": "null"}]},
            },
            "required": ["size"],
        }
    },
}
RECORD: Schema = {"kind": "started.v1", "name": "abc", "count": 3, "state": "new"}

READ_OLD = "a new reader refuses old records"
READ_NEW = "an old reader refuses new records"
MEANING = "old and new readers understand one record differently"


def put(*path: str, to: Any) -> Callable[[Schema], None]:
    """Set the value at ``path``."""

    def change(new: Schema) -> None:
        for step in path[:-1]:
            new = new[step]
        new[path[-1]] = to

    return change


def drop(*path: str) -> Callable[[Schema], None]:
    """Take away what is at ``path``."""

    def change(new: Schema) -> None:
        for step in path[:-1]:
            new = new[step]
        del new[path[-1]]

    return change


def prop(name: str, *path: str, to: Any) -> Callable[[Schema], None]:
    return put("properties", name, *path, to=to)


def rename(old: str, new_name: str) -> Callable[[Schema], None]:
    def change(new: Schema) -> None:
        new["properties"][new_name] = new["properties"].pop(old)
        new["required"] = [new_name if name == old else name for name in new["required"]]

    return change


def both(*changes: Callable[[Schema], None]) -> Callable[[Schema], None]:
    def change(new: Schema) -> None:
        for one in changes:
            one(new)

    return change


WITHOUT_COUNT = {name: value for name, value in RECORD.items() if name != "count"}
REQUIRED = ["kind", "name", "count", "state"]

# id: change, the sentence it must give, and a record that one side alone accepts.
BREAKS: dict[str, tuple[Callable[[Schema], None], str, Schema | None]] = {
    "required field removed": (
        both(drop("properties", "count"), put("required", to=["kind", "name", "state"])),
        f"count: removed or renamed: {READ_NEW}",
        WITHOUT_COUNT,
    ),
    "optional field removed": (
        drop("properties", "note"), f"note: removed or renamed: {MEANING}", None,
    ),
    "field renamed": (
        rename("count", "number"), f"count: removed or renamed: {READ_NEW}",
        {**WITHOUT_COUNT, "number": 3},
    ),
    "type narrowed": (
        prop("share", to={"type": "null"}), f"share: no longer accepts number: {READ_OLD}",
        {**RECORD, "share": 0.5},
    ),
    "null no longer allowed": (
        prop("share", to={"type": "number", "maximum": 1.0}),
        f"share: no longer accepts null: {READ_OLD}", {**RECORD, "share": None},
    ),
    "type widened": (
        prop("note", to={"anyOf": [{"type": "string"}, {"type": "null"}], "default": ""}),
        f"note: accepts also null: {READ_NEW}", {**RECORD, "note": None},
    ),
    "integer to number": (
        prop("count", "type", to="number"), f"count: integer became number: {READ_NEW}",
        {**RECORD, "count": 1.5},
    ),
    "number to integer": (
        prop("share", to={"anyOf": [{"type": "integer", "maximum": 1.0}, {"type": "null"}]}),
        f"share: number became integer: {READ_OLD}", {**RECORD, "share": 0.5},
    ),
    "type replaced": (
        prop("note", to={"type": "integer", "default": ""}),
        f"note: no longer accepts string: {READ_OLD}", {**RECORD, "note": "x"},
    ),
    "field added without a default": (
        both(prop("added", to={"type": "string"}), put("required", to=[*REQUIRED, "added"])),
        f"added: added without a default: {READ_OLD}", RECORD,
    ),
    "optional field made required": (
        put("required", to=[*REQUIRED, "note"]), f"note: must now be there: {READ_OLD}", RECORD,
    ),
    "required field made optional": (
        put("required", to=["kind", "name", "state"]), f"count: may now be left out: {READ_NEW}",
        WITHOUT_COUNT,
    ),
    "enum value removed": (
        prop("state", "enum", to=["new"]), f"state: no longer accepts 'old': {READ_OLD}",
        {**RECORD, "state": "old"},
    ),
    "enum value added": (
        prop("state", "enum", to=["new", "old", "odd"]), f"state: accepts also 'odd': {READ_NEW}",
        {**RECORD, "state": "odd"},
    ),
    "enum opened": (
        prop("state", to={"type": "string"}), f"state: no longer accepts enum: {READ_OLD}", None,
    ),
    "string given an enum": (
        prop("note", to={"type": "string", "enum": ["a"], "default": ""}),
        f"note: enum None became ['a']: {READ_OLD}", {**RECORD, "note": "b"},
    ),
    "minimum raised": (
        prop("count", "minimum", to=2), f"count: minimum 1 became 2: {READ_OLD}",
        {**RECORD, "count": 1},
    ),
    "minimum lowered": (
        prop("count", "minimum", to=0), f"count: minimum 1 became 0: {READ_NEW}",
        {**RECORD, "count": 0},
    ),
    "minimum removed": (
        drop("properties", "count", "minimum"), f"count: minimum 1 became None: {READ_NEW}",
        {**RECORD, "count": -5},
    ),
    "maximum lowered": (
        prop("count", "maximum", to=8), f"count: maximum 9 became 8: {READ_OLD}",
        {**RECORD, "count": 9},
    ),
    "maximum raised": (
        prop("count", "maximum", to=10), f"count: maximum 9 became 10: {READ_NEW}",
        {**RECORD, "count": 10},
    ),
    "exclusive maximum added": (
        prop("count", "exclusiveMaximum", to=9),
        f"count: exclusiveMaximum None became 9: {READ_OLD}", {**RECORD, "count": 9},
    ),
    "longest length shortened": (
        prop("name", "maxLength", to=7), f"name: maxLength 8 became 7: {READ_OLD}",
        {**RECORD, "name": "a" * 8},
    ),
    "shortest length raised": (
        prop("name", "minLength", to=3), f"name: minLength 2 became 3: {READ_OLD}",
        {**RECORD, "name": "ab"},
    ),
    "limit added": (
        prop("note", "maxLength", to=5), f"note: maxLength None became 5: {READ_OLD}",
        {**RECORD, "note": "longer"},
    ),
    "limit inside a union tightened": (
        put("properties", "share", "anyOf",
            to=[{"type": "number", "maximum": 0.5}, {"type": "null"}]),
        f"share: maximum 1.0 became 0.5: {READ_OLD}", {**RECORD, "share": 0.75},
    ),
    "one of two alternatives of a type removed": (
        prop("code", to={"anyOf": [{"type": "string", "maxLength": 2}]}),
        f"code: no longer accepts string': {READ_OLD}", {**RECORD, "code": "abcdef"},
    ),
    "tag changed": (
        prop("kind", "enum", to=["started.v2"]),
        f"kind: no longer accepts 'started.v1': {READ_OLD}", RECORD,
    ),
    "default changed": (
        prop("note", "default", to="none"), f"note: default '' became 'none': {MEANING}", None,
    ),
    "values of a map narrowed": (
        prop("labels", "additionalProperties", to={"type": "integer", "minimum": 0}),
        f"labels{{}}: minimum None became 0: {READ_OLD}", {**RECORD, "labels": {"a": -1}},
    ),
    "field inside a nested type removed": (
        both(drop("$defs", "Part", "properties", "size"), put("$defs", "Part", "required", to=[])),
        f"parts[].size: removed or renamed: {READ_NEW}", {**RECORD, "parts": [{}]},
    ),
    "field of a nested type tightened": (
        put("$defs", "Part", "properties", "size", "minimum", to=1),
        f"first.size: minimum 0 became 1: {READ_OLD}", {**RECORD, "first": {"size": 0}},
    ),
    "unknown fields forbidden": (
        put("additionalProperties", to=False),
        f"record: additionalProperties None became False: {MEANING}", {**RECORD, "unknown": 1},
    ),
    "a keyword the rule does not know": (
        prop("name", "pattern", to="^a"), f"name: pattern None became '^a': {MEANING}",
        {**RECORD, "name": "xyz"},
    ),
}  # fmt: skip

KEEPS: dict[str, tuple[Callable[[Schema], None], list[Schema]]] = {
    "nothing": (lambda new: None, [RECORD]),
    "field added with a default": (
        prop("added", to={"type": "integer", "default": 0}), [RECORD, {**RECORD, "added": 4}],
    ),
    "nested field added with a default": (
        put("$defs", "Part", "properties", "colour", to={"type": "string", "default": ""}),
        [{**RECORD, "parts": [{"size": 1}, {"size": 1, "colour": "red"}]}],
    ),
    "description and title changed": (
        both(put("description", to="Said better."), prop("name", "title", to="Name")), [RECORD],
    ),
    "order changed": (
        both(
            put("required", to=["state", "count", "name", "kind"]),
            prop("state", "enum", to=["old", "new"]),
            prop("share", to={"anyOf": [{"type": "null"}, {"type": "number", "maximum": 1.0}]}),
        ),
        [RECORD],
    ),
    "nested type renamed": (
        both(
            lambda new: new["$defs"].update(Piece=copy.deepcopy(new["$defs"]["Part"])),
            put("$defs", "Piece", "title", to="Piece"),
            prop("first", to={"$ref": "#/$defs/Piece"}),
        ),
        [{**RECORD, "first": {"size": 1, "inner": {"size": 2}}}],
    ),
}  # fmt: skip


def changed(change: Callable[[Schema], None]) -> Schema:
    new = copy.deepcopy(BASE)
    change(new)
    jsonschema.Draft202012Validator.check_schema(new)
    return new


def accepts(judge: Schema, record: Schema) -> bool:
    return bool(jsonschema.Draft202012Validator(judge).is_valid(record))


@pytest.mark.parametrize("name", BREAKS)
def test_a_breaking_change_is_refused(name: str) -> None:
    change, sentence, _ = BREAKS[name]
    assert sentence in breaking_changes(BASE, changed(change))


@pytest.mark.parametrize("name", [name for name, row in BREAKS.items() if row[2] is not None])
def test_the_witness_shows_that_it_breaks(name: str) -> None:
    change, sentence, witness = BREAKS[name]
    assert witness is not None
    old_accepts, new_accepts = accepts(BASE, witness), accepts(changed(change), witness)
    if sentence.endswith(READ_NEW):
        assert (old_accepts, new_accepts) == (False, True)
    else:
        assert (old_accepts, new_accepts) == (True, False)


@pytest.mark.parametrize("name", KEEPS)
def test_a_harmless_change_is_not_refused(name: str) -> None:
    change, records = KEEPS[name]
    new = changed(change)
    assert breaking_changes(BASE, new) == []
    for record in records:
        assert accepts(BASE, record)
        assert accepts(new, record)


@pytest.mark.parametrize("tag", TAGS)
def test_an_event_is_compatible_with_itself_and_no_field_of_it_can_go(tag: str) -> None:
    committed = schema(tag)
    assert breaking_changes(committed, committed) == []
    for name in committed["properties"]:
        without = copy.deepcopy(committed)
        del without["properties"][name]
        without["required"] = [field for field in without["required"] if field != name]
        assert len(breaking_changes(committed, without)) == 1


def test_the_events_break_nothing_of_the_newest_release() -> None:
    newest = max(RELEASED.iterdir(), key=lambda path: (path.is_dir(), path.name))
    for path in newest.glob("*.schema.json"):
        assert breaking_changes(read(path), read(SCHEMAS / path.name)) == []


CHANNEL_BREAKS: dict[str, tuple[Callable[[Schema], None], str]] = {
    "topic removed": (
        drop("channels", "comparisons"), f"topic comparisons: removed: {READ_OLD}",
    ),
    "kind moved away": (
        drop("channels", "task-events", "messages", "task_cancelled.v1"),
        f"topic task-events: no longer carries task_cancelled.v1: {READ_OLD}",
    ),
    "kind added to a topic": (
        put("channels", "task-events", "messages", "task_paused.v1", to={}),
        f"topic task-events: carries also task_paused.v1: {READ_NEW}",
    ),
    "compaction taken away": (
        put("channels", "control", "bindings", "kafka", "topicConfiguration", "cleanup.policy",
            to=["delete"]),
        f"topic control: cleanup ['compact'] became ['delete']: {MEANING}",
    ),
    "key changed": (
        put("components", "messages", "comparison.v1", "bindings", "kafka", "key", "description",
            to="task_id"),
        "message comparison.v1: key {'type': 'string', 'description': 'agent_id'} became "
        f"{{'type': 'string', 'description': 'task_id'}}: {MEANING}",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANNEL_BREAKS)
def test_a_breaking_change_of_a_topic_is_refused(name: str) -> None:
    change, sentence = CHANNEL_BREAKS[name]
    old = read(SCHEMAS / "asyncapi.json")
    new = copy.deepcopy(old)
    change(new)
    assert breaking_channel_changes(old, new) == [sentence]


def test_a_new_topic_and_another_retention_break_nothing() -> None:
    old = read(SCHEMAS / "asyncapi.json")
    new = copy.deepcopy(old)
    new["channels"]["audits"] = copy.deepcopy(old["channels"]["decisions"])
    kafka = new["channels"]["decisions"]["bindings"]["kafka"]
    kafka["topicConfiguration"]["retention.ms"] = 1
    assert breaking_channel_changes(old, new) == []
