"""Rows get into PostgreSQL the same whether the compiled module packs them or the driver does."""

from contextlib import closing

import msgspec
import pytest
from tests.integration.store.trouble.test_refused import row

from gnomon.errors import EventError
from gnomon.store import DecisionStore, bulk
from gnomon.store.figures import DecisionHead, figures_of
from gnomon.store.figures.tables import PREDICTIONS, TASKS
from gnomon.store.schema import DECISIONS

HEAD = {
    "decision_id": "ü😀",
    "started_at_ms": -5,
    "outcome": {"status": "matched", "at_ms": 7, "duration_s": 0.1, "succeeded": False},
    "predictions": [
        {"model": "control", "version": "1", "duration_s": 5e-324, "success_probability": 1},
        {"model": "m", "version": "2", "duration_s": 1e308},
        {"model": "n", "version": "", "intervals": {"by_level": {"90": {"low_s": 0, "high_s": 9}}}},
    ],
}


@pytest.fixture(params=["compiled", "driver"], autouse=True)
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "driver":
        monkeypatch.setattr(bulk, "_copy_rows", None)
    elif bulk._copy_rows is None:
        pytest.skip("gnomon was not compiled here: pip install says why")
    return str(request.param)


@pytest.mark.parametrize("times", [1, 2])
def test_the_store_has_what_was_given(postgres_url: str, times: int) -> None:
    """At once into the table, and the second time by way of another."""
    figures = figures_of(msgspec.convert(HEAD, DecisionHead), str.upper, scope="s")
    others = [row(f"d{number}", number) for number in range(600)]
    given = row("ü😀", -5)
    with closing(DecisionStore(postgres_url)) as store:
        store.create()
        for _ in range(times):
            store.upsert([given, *others], figures=[figures])
        with store.database.begin() as connection:
            found = connection.execute(DECISIONS.select().where(DECISIONS.c.decision_id == "ü😀"))
            assert [*found.one()] == ["ü😀", "matched", -5, 2, "k", b"s", "default"]
            assert [tuple(each) for each in connection.execute(TASKS.select())] == [figures.task]
            ordered = PREDICTIONS.select().order_by(PREDICTIONS.c.model)
            assert [tuple(each) for each in connection.execute(ordered)] == figures.predictions
        assert store.count() == 601


@pytest.mark.parametrize("bad", [row("NUL \0", 1), row("large", 2**63)])
def test_a_row_that_cannot_be_stored_is_refused(postgres_url: str, bad: object) -> None:
    with closing(DecisionStore(postgres_url)) as store:
        store.create()
        with pytest.raises(EventError, match="store_refused"):
            store.upsert([row("good", 1), bad])  # type: ignore[list-item]
        store.upsert([row("good", 1)])
        assert store.count() == 1
