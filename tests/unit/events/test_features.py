"""The table of features: the records that repeat a part of it agree with it."""

from typing import Annotated, get_args, get_origin, get_type_hints

import msgspec

from gnomon.events import AgentFeatures, FeatureVector, HourFeatures


def described(hint: object) -> object:
    """The type of a field without the description that a field of the table has."""
    if get_origin(hint) is not Annotated:
        return hint
    inner, *metas = get_args(hint)
    bounds = [meta for meta in metas if not (isinstance(meta, msgspec.Meta) and meta.description)]
    return Annotated[inner, *bounds] if bounds else inner


def test_an_agents_record_has_every_feature_of_the_hour_between_its_other_fields() -> None:
    """The compiled writer puts them there; msgspec writes fields in the order of the class."""
    first, as_of, *hour, last_finish, completeness = AgentFeatures.__struct_fields__
    assert tuple(hour) == HourFeatures.__struct_fields__
    assert (first, as_of) == ("agent_id", "as_of_ms")
    assert (last_finish, completeness) == ("last_finished_at_ms", "completeness")


def test_a_feature_of_an_agents_record_has_the_type_of_the_table() -> None:
    table = get_type_hints(HourFeatures, include_extras=True)
    agent = get_type_hints(AgentFeatures, include_extras=True)
    for name in HourFeatures.__struct_fields__:
        assert described(table[name]) == described(agent[name]), name


def test_every_feature_has_a_description() -> None:
    properties = msgspec.json.schema(FeatureVector)["$defs"]["FeatureVector"]["properties"]
    assert properties.keys() == set(FeatureVector.__struct_fields__)
    assert [name for name, field in properties.items() if not field.get("description")] == []
