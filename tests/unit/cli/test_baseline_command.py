"""``gnomon baseline`` as it is typed."""

import json
import stat
from pathlib import Path

import msgspec
import pytest
from tests.support.decisions import a_decision

from gnomon.cli import main
from gnomon.events import Comparison
from gnomon.operations.vaults.vault_reader import VaultReader
from gnomon.settings import Settings
from gnomon.store import DecisionStore
from gnomon.vault import KeyRing, check_key, create_key_file, load_key, seal_decision

DAY_MS = 86_400_000
FIRST_DAY_MS = 1_760_313_600_000  # 2025-10-13
Output = pytest.CaptureFixture[str]


def decision(number: int, *, day: int, duration_s: float, succeeded: bool) -> Comparison:
    made = a_decision(number, ended_at_ms=FIRST_DAY_MS + day * DAY_MS + number)
    outcome = msgspec.structs.replace(made.outcome, duration_s=duration_s, succeeded=succeeded)
    return msgspec.structs.replace(made, outcome=outcome)


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four tasks of 2025-10-13, two of 2025-10-14; one of the first cannot be opened."""
    for name in ("GNOMON_KEY", "GNOMON_KEY_FILE", "GNOMON_STORE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GNOMON_DATA_DIR", str(tmp_path))
    create_key_file(tmp_path / "kek.key")
    settings = Settings(data_dir=str(tmp_path))
    store = DecisionStore(settings.store_url)
    store.create()
    ring = KeyRing(load_key(settings), store.keys)
    check_key(ring, store.canary)
    rows = [
        seal_decision(ring, decision(n, day=0, duration_s=10.0 * (n + 1), succeeded=n != 0))
        for n in range(4)
    ]
    rows += [
        seal_decision(ring, decision(n, day=1, duration_s=100.0, succeeded=True)) for n in (4, 5)
    ]
    broken = rows[3].sealed[:-1] + bytes([rows[3].sealed[-1] ^ 1])
    store.upsert([*rows[:3], msgspec.structs.replace(rows[3], sealed=broken), *rows[4:]])
    store.close()
    return tmp_path


def keep_first_day() -> int:
    return main(["baseline", "--since", "2025-10-13", "--until", "2025-10-14", "--json"])


def test_a_period_is_summed_up_and_kept_for_its_owner_alone(vault: Path, capsys: Output) -> None:
    assert keep_first_day() == 0
    kept = json.loads(capsys.readouterr().out)["baseline"]
    everything = kept["groups"][0]
    assert (everything["ended"], everything["mean_s"]) == (3, 20.0)
    assert everything["error_rate"] == pytest.approx(1 / 3)
    assert kept["unreadable"] == 1
    assert stat.S_IMODE((vault / "baseline.json").stat().st_mode) == 0o600


def test_later_tasks_are_shown_beside_the_kept_period(vault: Path, capsys: Output) -> None:
    keep_first_day()
    capsys.readouterr()
    assert main(["baseline", "--until", "2025-10-15"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split()[:3] == ["all", "3", "20"] for line in lines)
    assert any(line.split()[:4] == ["all,", "later", "2", "100"] for line in lines)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "no baseline was kept yet"),
        (["--since", "2025-10-14", "--until", "2025-10-13"], "--since must be before --until"),
        (["--since", "2020-01-01", "--until", "2020-01-02"], "no task ended in that period"),
    ],
)
def test_a_mistake_is_explained_and_keeps_nothing(
    vault: Path, capsys: Output, arguments: list[str], words: str
) -> None:
    assert main(["baseline", *arguments]) == 2
    assert words in capsys.readouterr().err
    assert not (vault / "baseline.json").exists()


def test_reading_tells_how_far_it_is(vault: Path) -> None:
    """Of the four decisions of the first day one cannot be opened: it was read as well."""
    told: list[tuple[str, int, int | None]] = []
    reader = VaultReader(Settings.from_env({"GNOMON_DATA_DIR": str(vault)}))

    found = list(
        reader.decisions(
            ended_since_ms=FIRST_DAY_MS,
            ended_before_ms=FIRST_DAY_MS + DAY_MS,
            on_progress=lambda *each: told.append(each),
        )
    )

    reader.close()
    assert len(found) == 3
    assert told[0] == ("reading decisions", 0, 4)
    assert told[-1] == ("reading decisions", 4, 4)


def test_a_date_that_is_none_is_named(capsys: Output) -> None:
    with pytest.raises(SystemExit):
        main(["baseline", "--since", "yesterday"])
    assert "'yesterday' is no date or time" in capsys.readouterr().err


def test_a_damaged_file_is_named(vault: Path, capsys: Output) -> None:
    (vault / "baseline.json").write_text("{}")
    assert main(["baseline"]) == 2
    assert "baseline.json is no baseline" in capsys.readouterr().err
