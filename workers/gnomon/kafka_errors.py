"""Every error of Kafka's protocol, of aiokafka and of librdkafka, by what the operator does about it.

* ``wait``: it passes by itself, when a broker is back or has caught up.
* ``restart``: what this process knows is out of date. The supervisor starts it again.
* ``configure``: a setting, a right or a topic must be changed; to try again cannot help.
* ``replace``: software is too old or too new, or bytes are damaged.

A test compares the three tables with the lists of Kafka, aiokafka and librdkafka, so a new error of any
of them fails it.
"""

from typing import Final, Literal

Action = Literal["wait", "restart", "configure", "replace"]

_WAIT: Final = {
    -1: "UNKNOWN_SERVER_ERROR", 3: "UNKNOWN_TOPIC_OR_PARTITION", 5: "LEADER_NOT_AVAILABLE",
    6: "NOT_LEADER_OR_FOLLOWER", 7: "REQUEST_TIMED_OUT", 8: "BROKER_NOT_AVAILABLE",
    9: "REPLICA_NOT_AVAILABLE", 11: "STALE_CONTROLLER_EPOCH", 13: "NETWORK_EXCEPTION",
    14: "COORDINATOR_LOAD_IN_PROGRESS", 15: "COORDINATOR_NOT_AVAILABLE", 16: "NOT_COORDINATOR",
    19: "NOT_ENOUGH_REPLICAS", 20: "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
    27: "REBALANCE_IN_PROGRESS", 41: "NOT_CONTROLLER", 46: "DUPLICATE_SEQUENCE_NUMBER",
    51: "CONCURRENT_TRANSACTIONS", 52: "TRANSACTION_COORDINATOR_FENCED",
    55: "OPERATION_NOT_ATTEMPTED", 56: "KAFKA_STORAGE_ERROR", 60: "REASSIGNMENT_IN_PROGRESS",
    70: "FETCH_SESSION_ID_NOT_FOUND", 71: "INVALID_FETCH_SESSION_EPOCH",
    72: "LISTENER_NOT_FOUND", 74: "FENCED_LEADER_EPOCH", 75: "UNKNOWN_LEADER_EPOCH",
    77: "STALE_BROKER_EPOCH", 78: "OFFSET_NOT_AVAILABLE", 79: "MEMBER_ID_REQUIRED",
    80: "PREFERRED_LEADER_NOT_AVAILABLE", 83: "ELIGIBLE_LEADERS_NOT_AVAILABLE",
    84: "ELECTION_NOT_NEEDED", 85: "NO_REASSIGNMENT_IN_PROGRESS", 88: "UNSTABLE_OFFSET_COMMIT",
    89: "THROTTLING_QUOTA_EXCEEDED", 98: "SNAPSHOT_NOT_FOUND", 99: "POSITION_OUT_OF_RANGE",
    100: "UNKNOWN_TOPIC_ID", 102: "BROKER_ID_NOT_REGISTERED",
    106: "FETCH_SESSION_TOPIC_ID_ERROR", 107: "INELIGIBLE_REPLICA", 108: "NEW_LEADER_ELECTED",
    109: "OFFSET_MOVED_TO_TIERED_STORAGE", 111: "UNRELEASED_INSTANCE_ID",
    116: "UNKNOWN_CONTROLLER_ID", 117: "UNKNOWN_SUBSCRIPTION_ID",
    133: "SHARE_SESSION_LIMIT_REACHED",
}  # fmt: skip

_RESTART: Final = {
    1: "OFFSET_OUT_OF_RANGE", 22: "ILLEGAL_GENERATION", 25: "UNKNOWN_MEMBER_ID",
    45: "OUT_OF_ORDER_SEQUENCE_NUMBER", 47: "INVALID_PRODUCER_EPOCH", 48: "INVALID_TXN_STATE",
    49: "INVALID_PRODUCER_ID_MAPPING", 59: "UNKNOWN_PRODUCER_ID", 69: "GROUP_ID_NOT_FOUND",
    82: "FENCED_INSTANCE_ID", 90: "PRODUCER_FENCED", 103: "INCONSISTENT_TOPIC_ID",
    105: "TRANSACTIONAL_ID_NOT_FOUND", 110: "FENCED_MEMBER_EPOCH", 113: "STALE_MEMBER_EPOCH",
    120: "TRANSACTION_ABORTABLE", 121: "INVALID_RECORD_STATE", 122: "SHARE_SESSION_NOT_FOUND",
    123: "INVALID_SHARE_SESSION_EPOCH", 124: "FENCED_STATE_EPOCH", 129: "REBOOTSTRAP_REQUIRED",
    132: "STREAMS_TOPOLOGY_FENCED",
}  # fmt: skip

_CONFIGURE: Final = {
    10: "MESSAGE_TOO_LARGE", 12: "OFFSET_METADATA_TOO_LARGE", 17: "INVALID_TOPIC_EXCEPTION",
    18: "RECORD_LIST_TOO_LARGE", 21: "INVALID_REQUIRED_ACKS", 23: "INCONSISTENT_GROUP_PROTOCOL",
    24: "INVALID_GROUP_ID", 26: "INVALID_SESSION_TIMEOUT", 28: "INVALID_COMMIT_OFFSET_SIZE",
    29: "TOPIC_AUTHORIZATION_FAILED", 30: "GROUP_AUTHORIZATION_FAILED",
    31: "CLUSTER_AUTHORIZATION_FAILED", 32: "INVALID_TIMESTAMP",
    33: "UNSUPPORTED_SASL_MECHANISM", 34: "ILLEGAL_SASL_STATE", 36: "TOPIC_ALREADY_EXISTS",
    37: "INVALID_PARTITIONS", 38: "INVALID_REPLICATION_FACTOR",
    39: "INVALID_REPLICA_ASSIGNMENT", 40: "INVALID_CONFIG", 44: "POLICY_VIOLATION",
    50: "INVALID_TRANSACTION_TIMEOUT", 53: "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
    54: "SECURITY_DISABLED", 58: "SASL_AUTHENTICATION_FAILED",
    61: "DELEGATION_TOKEN_AUTH_DISABLED", 62: "DELEGATION_TOKEN_NOT_FOUND",
    63: "DELEGATION_TOKEN_OWNER_MISMATCH", 64: "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED",
    65: "DELEGATION_TOKEN_AUTHORIZATION_FAILED", 66: "DELEGATION_TOKEN_EXPIRED",
    67: "INVALID_PRINCIPAL_TYPE", 68: "NON_EMPTY_GROUP", 73: "TOPIC_DELETION_DISABLED",
    76: "UNSUPPORTED_COMPRESSION_TYPE", 81: "GROUP_MAX_SIZE_REACHED",
    86: "GROUP_SUBSCRIBED_TO_TOPIC", 87: "INVALID_RECORD", 91: "RESOURCE_NOT_FOUND",
    92: "DUPLICATE_RESOURCE", 93: "UNACCEPTABLE_CREDENTIAL", 94: "INCONSISTENT_VOTER_SET",
    97: "PRINCIPAL_DESERIALIZATION_FAILURE", 101: "DUPLICATE_BROKER_REGISTRATION",
    104: "INCONSISTENT_CLUSTER_ID", 112: "UNSUPPORTED_ASSIGNOR",
    114: "MISMATCHED_ENDPOINT_TYPE", 115: "UNSUPPORTED_ENDPOINT_TYPE",
    118: "TELEMETRY_TOO_LARGE", 119: "INVALID_REGISTRATION", 125: "INVALID_VOTER_KEY",
    126: "DUPLICATE_VOTER", 127: "VOTER_NOT_FOUND", 128: "INVALID_REGULAR_EXPRESSION",
    130: "STREAMS_INVALID_TOPOLOGY", 131: "STREAMS_INVALID_TOPOLOGY_EPOCH",
}  # fmt: skip

_REPLACE: Final = {
    2: "CORRUPT_MESSAGE", 4: "INVALID_FETCH_SIZE", 35: "UNSUPPORTED_VERSION",
    42: "INVALID_REQUEST", 43: "UNSUPPORTED_FOR_MESSAGE_FORMAT", 57: "LOG_DIR_NOT_FOUND",
    95: "INVALID_UPDATE_VERSION", 96: "FEATURE_UPDATE_FAILED",
}  # fmt: skip

_BY_ACTION: Final[tuple[tuple[Action, dict[int, str]], ...]] = (
    ("wait", _WAIT),
    ("restart", _RESTART),
    ("configure", _CONFIGURE),
    ("replace", _REPLACE),
)
PROTOCOL: Final[dict[int, tuple[str, Action]]] = {
    code: (name, action) for action, names in _BY_ACTION for code, name in names.items()
}
"""Kafka's name and the action, by the code of the protocol; 0 is no error."""

_AIOKAFKA_WAIT: Final = frozenset(
    [
        "BrokerResponseError",
        "Cancelled",
        "KafkaConnectionError",
        "KafkaError",
        "KafkaTimeoutError",
        "KafkaUnavailableError",
        "MetadataEmptyBrokerList",
        "NoBrokersAvailable",
        "NodeNotReadyError",
        "QuotaViolationError",
        "StaleMetadata",
        "TooManyInFlightRequests",
    ]
)

_AIOKAFKA_RESTART: Final = frozenset(
    [
        "CommitFailedError",
        "CorrelationIdError",
        "IllegalStateError",
        "KafkaProtocolError",
        "NoOffsetForPartitionError",
        "ProducerClosed",
        "ProducerFenced",
    ]
)

_AIOKAFKA_CONFIGURE: Final = frozenset(
    [
        "AuthenticationFailedError",
        "AuthenticationMethodNotSupported",
        "IllegalArgumentError",
        "KafkaConfigurationError",
        "RecordTooLargeError",
    ]
)

_AIOKAFKA_REPLACE: Final = frozenset(
    ["IncompatibleBrokerVersion", "UnrecognizedBrokerVersion", "UnsupportedCodecError"]
)

_LIBRDKAFKA_WAIT: Final = frozenset(
    [
        "_ALL_BROKERS_DOWN",
        "_ASSIGN_PARTITIONS",
        "_INTR",
        "_IN_PROGRESS",
        "_ISR_INSUFF",
        "_MSG_TIMED_OUT",
        "_NODE_UPDATE",
        "_NOOP",
        "_OUTDATED",
        "_PARTITION_EOF",
        "_PREV_IN_PROGRESS",
        "_QUEUE_FULL",
        "_RESOLVE",
        "_RETRY",
        "_REVOKE_PARTITIONS",
        "_TIMED_OUT",
        "_TIMED_OUT_QUEUE",
        "_TRANSPORT",
        "_UNKNOWN_BROKER",
        "_WAIT_CACHE",
        "_WAIT_COORD",
    ]
)

_LIBRDKAFKA_RESTART: Final = frozenset(
    [
        "_APPLICATION",
        "_ASSIGNMENT_LOST",
        "_AUTO_OFFSET_RESET",
        "_CONFLICT",
        "_DESTROY",
        "_DESTROY_BROKER",
        "_FAIL",
        "_FATAL",
        "_FENCED",
        "_GAPLESS_GUARANTEE",
        "_INCONSISTENT",
        "_LOG_TRUNCATION",
        "_MAX_POLL_EXCEEDED",
        "_NO_OFFSET",
        "_PURGE_INFLIGHT",
        "_PURGE_QUEUE",
        "_STATE",
    ]
)

_LIBRDKAFKA_CONFIGURE: Final = frozenset(
    [
        "_AUTHENTICATION",
        "_EXISTING_SUBSCRIPTION",
        "_FS",
        "_INVALID_ARG",
        "_INVALID_TYPE",
        "_KEY_DESERIALIZATION",
        "_KEY_SERIALIZATION",
        "_NOENT",
        "_NOT_CONFIGURED",
        "_READ_ONLY",
        "_SSL",
        "_UNKNOWN_GROUP",
        "_UNKNOWN_PARTITION",
        "_UNKNOWN_TOPIC",
        "_VALUE_DESERIALIZATION",
        "_VALUE_SERIALIZATION",
    ]
)

_LIBRDKAFKA_REPLACE: Final = frozenset(
    [
        "_BAD_COMPRESSION",
        "_BAD_MSG",
        "_CRIT_SYS_RESOURCE",
        "_INVALID_DIFFERENT_RECORD",
        "_NOT_IMPLEMENTED",
        "_PARTIAL",
        "_UNDERFLOW",
        "_UNKNOWN_PROTOCOL",
        "_UNSUPPORTED_FEATURE",
    ]
)


def _by_name(
    wait: frozenset[str],
    restart: frozenset[str],
    configure: frozenset[str],
    replace: frozenset[str],
) -> dict[str, Action]:
    sets: tuple[tuple[Action, frozenset[str]], ...] = (
        ("wait", wait),
        ("restart", restart),
        ("configure", configure),
        ("replace", replace),
    )
    return {name: action for action, names in sets for name in names}


AIOKAFKA: Final = _by_name(
    _AIOKAFKA_WAIT, _AIOKAFKA_RESTART, _AIOKAFKA_CONFIGURE, _AIOKAFKA_REPLACE
)
"""The action by the name of each error class that has no code of the protocol."""
LIBRDKAFKA: Final = _by_name(
    _LIBRDKAFKA_WAIT, _LIBRDKAFKA_RESTART, _LIBRDKAFKA_CONFIGURE, _LIBRDKAFKA_REPLACE
)
"""The action by the name of each of librdkafka's own errors."""


def action_of(error: BaseException) -> Action:
    """Return what the operator does about an error of aiokafka.

    A class that is in no table, such as one that a newer release has added, counts as its nearest base
    class that is.
    """
    for cls in type(error).__mro__:
        code = cls.__dict__.get("errno")
        if isinstance(code, int) and code in PROTOCOL:
            return PROTOCOL[code][1]
        if cls.__name__ in AIOKAFKA:
            return AIOKAFKA[cls.__name__]
    return "wait"
