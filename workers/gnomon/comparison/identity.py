"""The id of a decision, which depends on the task alone: a repeated decision has the same id."""

from hashlib import blake2b


def decision_id(agent_id: str, task_id: str) -> str:
    """Return the id of the decision on one task of one agent.

    It is a 16-byte BLAKE2b digest of both ids in UTF-8, each preceded by its length in bytes as
    four big-endian bytes. So no two pairs of ids give the same input.

    Returns:
        32 lower-case hexadecimal digits.
    """
    agent, task = agent_id.encode(), task_id.encode()
    return blake2b(
        b"%b%b%b%b" % (len(agent).to_bytes(4, "big"), agent, len(task).to_bytes(4, "big"), task),
        digest_size=16,
    ).hexdigest()
