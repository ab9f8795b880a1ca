"""The AsyncAPI 3.0 document: every topic, its settings at the broker, its readers and writers."""

from dataclasses import dataclass
from typing import Final, Literal

from gnomon.contract.export import Schema, file_name, tag
from gnomon.events import EVENTS
from gnomon.topics import (
    AGENT_FEATURES,
    AUDIT,
    BY_NAME,
    CLIENT_STATS,
    COMPARISON_METRICS,
    COMPARISONS,
    CONTROL,
    DEAD_LETTERS,
    DECISIONS,
    DEFAULT_PARTITIONS,
    EXPOSURES,
    INTERVAL_CORRECTIONS,
    MODEL_SWITCHES,
    SHADOW_PREDICTIONS,
    TASK_EVENTS,
    TASK_FEATURES,
    TOPICS,
    VAULT_ROOTS,
    VERDICT_EVIDENCE,
    Topic,
)

FILE_NAME: Final = "asyncapi.json"
DEAD_LETTER: Final = "dead_letter"
"""The one message that is no event: any bytes, with headers that give the reason."""

DEAD_LETTER_HEADERS: Final = {
    "gnomon-stage": "The stage that refused the record.",
    "gnomon-reason": "Why, in one constant word.",
    "gnomon-detail": "What was expected and what came, without the payload.",
    "gnomon-topic": "The topic it was read from.",
    "gnomon-partition": "The partition it was read from, in decimal digits.",
    "gnomon-offset": "Its offset there, in decimal digits.",
}

_BINDING: Final = "0.5.0"
_SCHEMA_FORMAT: Final = "application/schema+json;version=draft-2020-12"


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """A program that reads or writes topics."""

    name: str
    about: str
    receives: tuple[Topic, ...] = ()
    sends: tuple[Topic, ...] = ()


PARTICIPANTS: Final = (
    Participant(
        name="agent",
        about="An AI agent, through the client it installs.",
        sends=(TASK_EVENTS, CLIENT_STATS, EXPOSURES),
    ),
    Participant(
        name="features",
        about="Computes each agent's rolling features.",
        receives=(TASK_EVENTS,),
        sends=(TASK_FEATURES, AGENT_FEATURES, CLIENT_STATS, DEAD_LETTERS),
    ),
    Participant(
        name="shadow",
        about="Lets every live model version predict each task as it starts.",
        receives=(TASK_FEATURES,),
        sends=(SHADOW_PREDICTIONS, MODEL_SWITCHES, DEAD_LETTERS),
    ),
    Participant(
        name="comparison",
        about="Waits for each task's outcome and compares the predictions with it.",
        receives=(TASK_EVENTS, TASK_FEATURES, SHADOW_PREDICTIONS),
        sends=(
            COMPARISONS,
            COMPARISON_METRICS,
            INTERVAL_CORRECTIONS,
            VERDICT_EVIDENCE,
            DEAD_LETTERS,
        ),
    ),
    Participant(
        name="vault",
        about="Seals each decision, and stores it beside numbers that can be queried.",
        receives=(COMPARISONS, COMPARISON_METRICS),
        sends=(DECISIONS, VAULT_ROOTS, DEAD_LETTERS),
    ),
    Participant(
        name="models",
        about="Registers, promotes and rolls back model versions, by command.",
        sends=(CONTROL,),
    ),
    Participant(
        name="keys",
        about="Opens sealed decisions, and changes or destroys their keys, by command.",
        sends=(AUDIT,),
    ),
)
"""The programs and the topics that each reads and writes, in the order of the pipeline."""


def asyncapi_document() -> Schema:
    """Build the document; its messages refer to the schema files beside it.

    Its version is that of the contract's form and not of a release, so that a release that changes
    no record changes no file.
    """
    return {
        "asyncapi": "3.0.0",
        "id": "urn:gnomon:asyncapi",
        "info": {
            "title": "gnomon",
            "version": "1",
            "description": (
                "Records of gnomon's topics. A topic's name may have an installation's prefix. "
                "Readers ignore fields they do not know."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic) for topic in TOPICS},
        "operations": {
            f"{participant.name}.{action}.{topic.name}": _operation(participant, action, topic)
            for participant in PARTICIPANTS
            for action, topics in _actions(participant)
            for topic in topics
        },
        "components": {"messages": _messages()},
    }


Action = Literal["receive", "send"]


def _actions(participant: Participant) -> tuple[tuple[Action, tuple[Topic, ...]], ...]:
    return (("receive", participant.receives), ("send", participant.sends))


def _kinds(topic: Topic) -> list[str]:
    return [tag(event) for event in topic.events] or [DEAD_LETTER]


def _channel(topic: Topic) -> Schema:
    configuration: Schema = {
        name: int(value) if value.isdigit() else value for name, value in topic.config().items()
    }
    configuration["cleanup.policy"] = [topic.cleanup]
    return {
        "address": topic.name,
        "description": topic.about,
        "messages": {kind: {"$ref": f"#/components/messages/{kind}"} for kind in _kinds(topic)},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": DEFAULT_PARTITIONS,
                "topicConfiguration": configuration,
                "bindingVersion": _BINDING,
            }
        },
    }


def _operation(participant: Participant, action: Action, topic: Topic) -> Schema:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{topic.name}"},
        "summary": participant.about,
        "tags": [{"name": participant.name}],
        "messages": [
            {"$ref": f"#/channels/{topic.name}/messages/{kind}"} for kind in _kinds(topic)
        ],
    }


def _messages() -> Schema:
    key_of = {tag(event): topic.key for topic in BY_NAME.values() for event in topic.events}
    messages: Schema = {
        tag(event): {
            "name": tag(event),
            "title": event.__name__,
            "contentType": "application/json",
            "payload": {
                "schemaFormat": _SCHEMA_FORMAT,
                "schema": {"$ref": f"./{file_name(event)}"},
            },
            "bindings": _message_bindings(key_of[tag(event)]),
        }
        for event in EVENTS
    }
    messages[DEAD_LETTER] = {
        "name": DEAD_LETTER,
        "title": "DeadLetter",
        "summary": "A record as it came: any bytes, or none.",
        "contentType": "application/octet-stream",
        "headers": {
            "type": "object",
            "properties": {
                name: {"type": "string", "description": about}
                for name, about in DEAD_LETTER_HEADERS.items()
            },
            "required": list(DEAD_LETTER_HEADERS),
        },
        "bindings": _message_bindings(DEAD_LETTERS.key),
    }
    return messages


def _message_bindings(key: str) -> Schema:
    return {
        "kafka": {"key": {"type": "string", "description": key}, "bindingVersion": _BINDING},
    }
