"""At most one holder, on both databases."""

from concurrent.futures import ThreadPoolExecutor

from gnomon.store import DecisionStore

NOW_MS = 1_760_000_000_000


def test_one_holds_it_until_it_runs_out_or_is_given_up(store: DecisionStore) -> None:
    one, two = store.lease("learn", owner="one"), store.lease("learn", owner="two")

    assert one.acquire(now_ms=NOW_MS, for_ms=1_000)
    assert not two.acquire(now_ms=NOW_MS + 999, for_ms=1_000)
    assert one.acquire(now_ms=NOW_MS + 999, for_ms=1_000)
    assert not two.acquire(now_ms=NOW_MS + 1_998, for_ms=1_000)
    assert two.acquire(now_ms=NOW_MS + 1_999, for_ms=1_000)
    assert not one.acquire(now_ms=NOW_MS + 2_000, for_ms=1_000)
    assert not one.release(now_ms=NOW_MS + 2_000, note="late")
    assert two.release(now_ms=NOW_MS + 2_000, note="done")
    assert one.acquire(now_ms=NOW_MS + 2_000, for_ms=1_000)
    assert one.note() == "done"


def test_leases_of_other_names_do_not_matter(store: DecisionStore) -> None:
    assert store.lease("learn", owner="one").acquire(now_ms=NOW_MS, for_ms=1_000)
    assert store.lease("other", owner="two").acquire(now_ms=NOW_MS, for_ms=1_000)
    assert store.lease("third", owner="two").note() == ""


def test_of_many_at_once_one_gets_it(store: DecisionStore) -> None:
    def attempt(number: int) -> bool:
        lease = store.lease("learn", owner=f"owner-{number}")
        return lease.acquire(now_ms=NOW_MS, for_ms=60_000)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(16))) == 1
