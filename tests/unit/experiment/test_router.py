"""What an agent sees of a router: variants, exposures, and control whatever goes wrong."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.polling import eventually_sync
from tests.unit.experiment.conftest import Clock, Source

from gnomon import MemoryClient
from gnomon.events import Exposure
from gnomon.experiment import Experiment, Router

HALVES = {"control": 5_000, "short": 5_000}
SETTINGS: dict[str, Any] = {"name": "prompts", "variants": HALVES}
UNITS = [f"repo-{n}" for n in range(200)]
Route = Callable[..., Router]


def variants(router: Router) -> set[str]:
    return {router.assign(unit) for unit in UNITS}


def test_a_unit_keeps_its_variant_in_every_router(route: Route) -> None:
    one, other = route("prompts", HALVES), route("prompts", source=lambda: SETTINGS)

    assert [one.assign(unit) for unit in UNITS] == [other.exposed(unit) for unit in UNITS]
    assert variants(one) == {"control", "short"}


def test_an_exposure_is_published_once_for_each_unit(route: Route, clock: Clock) -> None:
    client = MemoryClient()
    router = route("prompts", HALVES, client=client)
    for _ in range(3):
        given_to = {unit: router.exposed(unit) for unit in UNITS}
        clock.now_s += 5

    published = client.exposures().events()
    assert {exposure.unit: exposure.variant for exposure in published} == given_to
    assert len(published) == len(UNITS)
    assert published[0] == Exposure(
        experiment="prompts",
        unit="repo-0",
        variant=given_to["repo-0"],
        exposed_at_ms=1_000_000,
        ramp_share=1.0,
        settings_sha256=msgspec.convert(SETTINGS, type=Experiment).sha256,
    )
    assert sum(router.stats().exposed.values()) == len(UNITS)
    assert client.events() == []


def test_assign_and_context_publish_nothing(route: Route) -> None:
    client = MemoryClient()
    router = route("prompts", HALVES, client=client)

    assert router.context("repo-1") == {
        "experiment.prompts": router.assign("repo-1"),
        "experiment.prompts.unit": "repo-1",
    }
    assert client.exposures().events() == []


def test_a_task_carries_the_variant(route: Route) -> None:
    client = MemoryClient(agent_id="a")
    router = route("prompts", HALVES, client=client)
    with client.task("review", context=router.context("repo-1")):
        pass

    assert all(
        getattr(event, "context", None) == router.context("repo-1") for event in client.events()
    )


def test_through_a_ramp_only_units_that_take_part_are_exposed(route: Route, clock: Clock) -> None:
    client = MemoryClient()
    router = route(
        "prompts", HALVES, client=client, ramp=[(1_000, 60), (10_000, 0)], started_at_ms=1_010_000
    )
    assert variants(router) == {"control"}
    assert all(router.context(unit) == {} for unit in UNITS)

    clock.now_s = 1_010.0
    early = {unit: router.exposed(unit) for unit in UNITS if router.context(unit)}
    assert {router.exposed(unit) for unit in UNITS if unit not in early} == {"control"}
    published = {exposure.unit: exposure for exposure in client.exposures().events()}
    assert published.keys() == early.keys()
    assert 5 < len(early) < 40
    assert {exposure.ramp_share for exposure in published.values()} == {0.1}

    clock.now_s = 1_070.0
    late = {unit: router.exposed(unit) for unit in UNITS}
    assert {unit: late[unit] for unit in early} == early
    assert len(client.exposures().events()) == len(UNITS)


def test_what_is_remembered_of_units_is_bounded(route: Route) -> None:
    client = MemoryClient()
    router = route("prompts", HALVES, client=client, most_units=10)
    for _ in range(2):
        for unit in UNITS:
            router.exposed(unit)
    for unit in UNITS[-4:]:
        router.exposed(unit)

    assert len(client.exposures().events()) == 2 * len(UNITS)


def test_an_exposure_without_room_is_tried_again(route: Route) -> None:
    client = MemoryClient(max_events=3)
    router = route("prompts", HALVES, client=client)
    for unit in UNITS[:5]:
        router.exposed(unit)
    assert router.stats().dropped == 2
    assert len(client.exposures().events()) == 3

    for unit in UNITS[:5]:
        router.exposed(unit)
    assert [exposure.unit for exposure in client.exposures().events()] == UNITS[:5]
    assert router.stats().dropped == 2


@pytest.mark.parametrize(
    "gives",
    [
        None,
        b"",
        b"no json",
        {},
        {**SETTINGS, "name": "another"},
        {**SETTINGS, "variants": {"control": 1}},
        OSError("the service is away"),
        ValueError("secret"),
        RecursionError(),
    ],
)
def test_without_usable_settings_every_unit_gets_control(route: Route, gives: Any) -> None:
    client = MemoryClient()
    router = route("prompts", client=client, source=Source(gives))

    assert {router.exposed(unit) for unit in UNITS} == {"control"}
    assert router.context("repo-1") == {}
    stats = router.stats()
    assert (stats.state, stats.failures, stats.fallbacks) == ("control", 1, len(UNITS) + 1)
    assert "secret" not in stats.reason
    assert client.exposures().events() == []


def test_a_file_is_read_and_what_is_no_file_means_control(route: Route, tmp_path: Path) -> None:
    path = tmp_path / "experiment.json"
    path.write_bytes(msgspec.json.encode(SETTINGS))
    router = route("prompts", source=path)
    assert variants(router) == {"control", "short"}

    path.write_text("{")
    router.refresh()
    assert variants(router) == {"control"}
    path.unlink()
    router.refresh()
    assert variants(router) == {"control"}
    assert (router.stats().state, router.stats().failures) == ("control", 2)

    path.write_bytes(msgspec.json.encode(SETTINGS))
    router.refresh()
    assert variants(router) == {"control", "short"}
    path.write_bytes(b" " * (1 << 20) + msgspec.json.encode(SETTINGS))
    router.refresh()
    assert variants(router) == {"control"}


@pytest.mark.parametrize("off", [{"state": "stopped"}, {"verdict": "STOP-HARM"}])
def test_settings_that_stop_it_send_everyone_to_control(route: Route, off: dict[str, str]) -> None:
    source = Source(SETTINGS)
    router = route("prompts", source=source)
    assert variants(router) == {"control", "short"}

    source.gives = {**SETTINGS, **off}
    router.refresh()

    assert variants(router) == {"control"}
    assert router.context("repo-1") == {}
    assert (router.stats().state, router.stats().share) == ("stopped", 0)
    assert router.stats().fallbacks == 0


def test_a_verdict_of_harm_is_for_good(route: Route) -> None:
    source = Source(SETTINGS)
    router = route("prompts", source=source)
    for word in ("GO", "NO-GO", "CONTINUE", ""):
        router.heed(word)
    assert variants(router) == {"control", "short"}

    router.heed("STOP-HARM")
    assert variants(router) == {"control"}
    router.refresh()
    router.heed("GO")

    assert variants(router) == {"control"}
    assert (router.stats().state, router.stats().reason) == ("stopped", "harm")


@pytest.mark.parametrize(
    "change",
    [{"salt": "new"}, {"variants": {"control": 4_000, "short": 6_000}}, {"control": "short"}],
)
def test_settings_that_would_move_units_mean_control(route: Route, change: Any) -> None:
    source = Source(SETTINGS)
    router = route("prompts", source=source)
    source.gives = {**SETTINGS, **change}
    router.refresh()

    assert variants(router) == {"control"}
    assert "another name" in router.stats().reason


def test_control_is_named_by_the_settings(route: Route) -> None:
    named = {**SETTINGS, "variants": {"as-is": 9_000, "short": 1_000}, "control": "as-is"}
    source = Source(named)
    router = route("prompts", source=source)
    assert variants(router) == {"as-is", "short"}

    source.gives = None
    router.refresh()
    assert variants(router) == {"as-is"}


def test_settings_that_are_not_read_any_more_are_not_trusted(route: Route, clock: Clock) -> None:
    router = route("prompts", source=Source(SETTINGS), refresh_s=100.0)
    clock.now_s += 300
    assert variants(router) == {"control", "short"}

    clock.now_s += 1
    assert variants(router) == {"control"}
    assert router.stats().state == "control"
    router.refresh()
    assert variants(router) == {"control", "short"}


def test_a_thread_reads_the_settings_again() -> None:
    source = Source(SETTINGS)
    with Router("prompts", source=source, refresh_s=0.01) as router:
        eventually_sync(lambda: source.calls > 2, timeout_s=10, what="a second reading")
        source.gives = {**SETTINGS, "state": "stopped"}
        eventually_sync(lambda: variants(router) == {"control"}, timeout_s=10, what="the new state")


def test_the_thread_ends_with_the_router() -> None:
    router = Router("prompts", source=Source(SETTINGS), refresh_s=0.01)
    names = [thread.name for thread in threading.enumerate()]
    assert "gnomon-experiment" in names

    del router

    eventually_sync(
        lambda: all(t.name != "gnomon-experiment" for t in threading.enumerate()),
        timeout_s=10,
        what="no thread",
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_goes_on_reading(tmp_path: Path) -> None:
    path, told = tmp_path / "experiment.json", tmp_path / "told"
    path.write_bytes(msgspec.json.encode(SETTINGS))
    with Router("prompts", source=path, refresh_s=0.02) as router:
        before = variants(router)
        child = os.fork()
        if child == 0:
            os.write(os.open(told, os.O_CREAT | os.O_WRONLY), "".join(variants(router)).encode())
            eventually_sync(lambda: router.stats().state == "stopped", what="the state")
            os._exit(0)
        eventually_sync(told.exists, what="the child's first calls")
        path.write_bytes(msgspec.json.encode({**SETTINGS, "state": "stopped"}))
        _, status = os.waitpid(child, 0)

    assert status == 0
    assert before == {"control", "short"}


BAD_UNITS: list[Any] = ["", "x" * 257, "\ud800", None, 5, b"repo-1", ["repo-1"], object(), True]


@pytest.mark.parametrize("unit", BAD_UNITS, ids=lambda unit: type(unit).__name__)
def test_what_is_no_unit_gets_control_and_is_counted(route: Route, unit: Any) -> None:
    client = MemoryClient()
    router = route("prompts", HALVES, client=client)

    assert (router.assign(unit), router.exposed(unit)) == ("control", "control")
    assert router.context(unit) == {}
    assert router.stats().refused == 3
    assert client.exposures().events() == []


ANYTHING = st.none() | st.integers() | st.floats() | st.text() | st.binary() | st.lists(st.text())


@given(
    name=ANYTHING,
    variants_=ANYTHING | st.dictionaries(st.text(), st.integers()),
    named=st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(("client", "control", "salt", "ramp", "started_at_ms", "refresh_s", "most_units"), ANYTHING),
    ),
    unit=ANYTHING,
)  # fmt: skip
@settings(deadline=None)
def test_nothing_raises(name: Any, variants_: Any, named: Any, unit: Any) -> None:
    router = Router(name, variants_, **named)
    assert type(router.assign(unit)) is str
    assert type(router.exposed(unit)) is str
    assert type(router.context(unit)) is dict
    router.heed(unit)
    router.refresh()
    assert router.flush(0.0) == 0
    router.stats()
    router.close()


@given(gives=ANYTHING | st.dictionaries(st.text(), ANYTHING))
@settings(deadline=None)
def test_no_settings_raise(gives: Any) -> None:
    router = Router("prompts", source=Source(gives), refresh_s=3_600.0)
    try:
        assert router.assign("repo-1") == "control"
        assert router.stats().state == "control"
    finally:
        router.close()


def test_many_threads_expose_each_unit_about_once(route: Route) -> None:
    client = MemoryClient()
    router = route("prompts", HALVES, client=client)
    threads = [
        threading.Thread(target=lambda: [router.exposed(unit) for unit in UNITS]) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    published = client.exposures().events()
    assert {exposure.unit for exposure in published} == set(UNITS)
    assert len(published) < 8 * len(UNITS)
