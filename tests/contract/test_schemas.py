"""The committed schemas are the event classes, and use no keyword a validator would skip."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import msgspec
import pytest
from tests.contract.contract_files import SCHEMAS, TAGS, schema

from gnomon.contract.export import event_schemas
from gnomon.events import EVENTS

# Of JSON Schema 2020-12: all that our schemas may use.
KEYWORDS = {
    "$schema", "$id", "$ref", "$defs", "title", "description", "type", "enum", "default",
    "properties", "required", "additionalProperties", "items", "anyOf", "minimum", "maximum",
    "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength", "minItems", "maxItems",
    "contentEncoding",
}  # fmt: skip


def unknown_keywords(node: Any) -> Iterator[str]:
    """Keywords at any depth that mean nothing, and so forbid nothing."""
    if not isinstance(node, dict):
        return
    yield from sorted(node.keys() - KEYWORDS)
    for keyword, value in node.items():
        if keyword in {"properties", "$defs"}:
            inner = list(value.values())
        elif keyword in {"items", "additionalProperties"}:
            inner = [value]
        else:
            inner = value if keyword == "anyOf" else []
        for part in inner:
            yield from unknown_keywords(part)


def test_every_event_has_a_schema() -> None:
    assert {path.name for path in SCHEMAS.glob("*.schema.json")} == {
        f"{tag}.schema.json" for tag in TAGS
    }


def unordered(node: Any) -> Any:
    """A schema whose descriptions have no line breaks and whose lists of names have no order."""
    if isinstance(node, list):
        return [unordered(part) for part in node]
    if not isinstance(node, dict):
        return node
    texts = {key: " ".join(node[key].split()) for key in ("description",) if key in node}
    names = {key: sorted(map(str, node[key])) for key in ("required", "enum") if key in node}
    return {key: unordered(value) for key, value in node.items()} | texts | names


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_the_committed_schema_says_what_msgspec_says_of_the_class(
    event: type[msgspec.Struct],
) -> None:
    """The exporter only moves keywords: it neither loses nor invents one."""
    theirs = msgspec.json.schema(event)
    committed = schema(str(event.__struct_config__.tag))

    own = {key: value for key, value in committed.items() if key not in {"$schema", "$id", "$defs"}}
    parts = {**committed.get("$defs", {}), event.__name__: own}

    assert theirs["$ref"] == f"#/$defs/{event.__name__}"
    assert {name: unordered(part) for name, part in parts.items()} == {
        name: unordered(part) for name, part in theirs["$defs"].items()
    }


@pytest.mark.parametrize("tag", TAGS)
def test_a_committed_schema_is_the_exported_text(tag: str) -> None:
    """A reader may compare files: the same JSON is always the same bytes."""
    committed = (SCHEMAS / f"{tag}.schema.json").read_text(encoding="utf-8")
    assert committed == json.dumps(schema(tag), indent=2, ensure_ascii=False) + "\n"
    assert list(schema(tag)) == list(event_schemas()[tag])


@pytest.mark.parametrize("tag", TAGS)
def test_a_schema_says_what_it_is(tag: str) -> None:
    committed = schema(tag)
    assert committed["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert committed["$id"] == f"urn:gnomon:schema:{tag}"
    assert committed["properties"]["kind"] == {"enum": [tag]}
    assert "kind" in committed["required"]
    assert "\n " not in committed["description"], "a docstring's indentation differs by Python"


@pytest.mark.parametrize("tag", TAGS)
def test_a_schema_is_valid_and_has_no_misspelled_keyword(tag: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(tag))
    assert list(unknown_keywords(schema(tag))) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("required", "requird"), ("properties", "propertys"), ("type", "typ")],
)
@pytest.mark.parametrize("tag", TAGS)
def test_a_misspelled_keyword_is_seen(tag: str, right: str, wrong: str) -> None:
    misspelled = copy.deepcopy(schema(tag))
    misspelled[wrong] = misspelled.pop(right)
    jsonschema.Draft202012Validator.check_schema(misspelled)  # the meta-schema lets it pass
    assert list(unknown_keywords(misspelled)) == [wrong]


def test_a_misspelled_keyword_deep_inside_is_seen() -> None:
    misspelled = copy.deepcopy(schema("comparison.v1"))
    share = misspelled["$defs"]["FeatureVector"]["properties"]["success_rate_1h"]["anyOf"][0]
    share["maximun"] = share.pop("maximum")
    assert list(unknown_keywords(misspelled)) == ["maximun"]


def test_readers_may_see_fields_they_do_not_know() -> None:
    assert all("additionalProperties" not in schema(tag) for tag in TAGS)
