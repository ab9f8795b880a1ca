"""How long partitions pause while another worker is killed."""

from benchmarks.harness.teams import Outputs

from gnomon.events import TaskFinished, TaskStarted

STARTED = TaskStarted(agent_id="a", task_id="t", task_type="x", started_at_ms=1)
FINISHED = TaskFinished(
    agent_id="a",
    task_id="t",
    task_type="x",
    started_at_ms=1,
    finished_at_ms=2,
    duration_s=0.001,
    succeeded=True,
)


def outputs() -> Outputs:
    made = Outputs("unused:1", ["features"], 2)
    for partition in (0, 1):
        made.grew("features", partition, at_s=9.9)
    return made


def test_a_partition_without_input_does_not_pause() -> None:
    seen = outputs()
    seen.sent(FINISHED, 0, at_s=10.1)  # features writes no vector for it

    assert seen.longest_pause_s("features", [0, 1], 10.0, 20.0) == 0.0


def test_a_pause_is_from_an_input_to_the_next_output() -> None:
    seen = outputs()
    for sent_s, grew_s in ((11.0, 11.25), (14.0, 14.5)):
        seen.sent(STARTED, 0, at_s=sent_s)
        seen.grew("features", 0, at_s=grew_s)

    assert seen.longest_pause_s("features", [0, 1], 10.0, 20.0) == 0.5
    assert seen.longest_pause_s("features", [0], 15.0, 20.0) == 0.0


def test_a_partition_that_has_not_gone_on_pauses_until_now() -> None:
    seen = outputs()
    seen.sent(STARTED, 1, at_s=12.0)

    assert seen.longest_pause_s("features", [0, 1], 10.0, 20.0) == 8.0
    assert seen.longest_pause_s("features", [0], 10.0, 20.0) == 0.0
