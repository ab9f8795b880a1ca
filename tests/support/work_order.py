"""The order in which the files of tests are given to the processes of ``pytest -n``.

The longest first, so that no process is left with a long one at the end. One of the processes takes the
short ones meanwhile: they compute, while the long ones often wait for Kafka or for another process.
"""

from typing import Final

from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

LONG_S: Final[dict[str, float]] = {
    f"tests/{name}.py": seconds
    for name, seconds in {
        "integration/replay/test_interrupted": 254,
        "integration/demo/test_demo": 148,
        "integration/drill/test_watched": 133,
        "integration/replay/test_long_and_refused": 129,
        "integration/up/test_up": 125,
        "integration/broker/test_broker_commands": 123,
        "faults/test_faults": 101,
        "integration/broker/test_embedded_broker": 101,
        "integration/dashboard/test_in_a_browser": 79,
        "integration/models/test_storage": 77,
        "integration/drill/test_rollback": 69,
        "integration/models/test_switches_under_kills": 60,
        "integration/security/test_oauth": 60,
        "integration/client/test_spool": 59,
        "integration/replay/test_keys_changed": 53,
        "integration/security/test_every_command": 51,
        "integration/replay/test_replay": 39,
        "integration/runtime/outages/test_hand_over": 39,
        "integration/runtime/outages/test_broker_outage": 38,
        "integration/client/test_client_kafka": 37,
        "integration/drill/test_isolation": 33,
        "integration/runtime/outages/test_stalls": 31,
        "integration/stages/test_shedding": 31,
    }.items()
}
"""Seconds of the longest files, beside others."""


class LongestFirst(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """Keeps the tests of a file together, as ``--dist loadfile`` does."""

    def _assign_work_unit(self, node: WorkerController) -> None:
        """Put the file that the process is to have in front, where the base class takes it."""
        short = [file for file in self.workqueue if not _is_long(file)]
        waiting = short if short and node is self.nodes[-1] else list(self.workqueue)
        chosen = max(waiting, key=self._rank)
        self.workqueue.move_to_end(chosen, last=False)
        super()._assign_work_unit(node)

    def _rank(self, file: str) -> tuple[float, bool, int]:
        return LONG_S.get(file, 0), _is_long(file), len(self.workqueue[file])


def _is_long(file: str) -> bool:
    return file in LONG_S or file.startswith("tests/integration/")
