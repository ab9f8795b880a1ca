"""The name of a decision: a function of the task alone, so that a repeat has the same."""

from hashlib import blake2b


def decision_id(agent_id: str, task_id: str) -> str:
    """Name the decision on one task of one agent.

    BLAKE2b with 16 bytes of digest, over each id's UTF-8 after its length in bytes as four
    big-endian bytes: no two pairs of ids give the same input.

    Returns:
        32 lower-case hexadecimal digits.
    """
    agent, task = agent_id.encode(), task_id.encode()
    return blake2b(
        b"%b%b%b%b" % (len(agent).to_bytes(4, "big"), agent, len(task).to_bytes(4, "big"), task),
        digest_size=16,
    ).hexdigest()
