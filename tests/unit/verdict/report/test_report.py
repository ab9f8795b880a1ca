"""The page with pictures: well-formed, alone, and with the figures that were judged."""

import hashlib
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.unit.verdict.build import comparison, control, decided, model, rule, simulated
from tests.unit.verdict.report import page_reader
from tests.unit.verdict.report.page_reader import HTML, SVG, write_comparisons

from gnomon.cli import main
from gnomon.cli.verdicts.comparisons_log import gather
from gnomon.verdict import Decided, VerdictSettings
from gnomon.verdict.report.pictures import Pictures
from gnomon.verdict.report.svg import Axis, Picture, percents
from gnomon.verdict.slices import judged

SETTINGS = VerdictSettings(mature_after_s=0)


def drawn(folder: Path, rows: list[Decided], settings: VerdictSettings = SETTINGS) -> Pictures:
    path = write_comparisons(folder / "c.jsonl", [comparison(row) for row in rows])
    album = gather(path, settings, draw=True).album
    assert album is not None
    return album.pictures["ab" * 32]


def page_of(folder: Path, rows: list[Decided], monkeypatch: pytest.MonkeyPatch) -> ET.Element:
    monkeypatch.setenv("GNOMON_DATA_DIR", str(folder / "data"))
    path = write_comparisons(folder / "c.jsonl", [comparison(row) for row in rows])
    return page_reader.page_of(path)


def test_a_page_stands_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = page_of(tmp_path, list(simulated(ratio=0.6)), monkeypatch)
    names = Counter(each.tag for each in root.iter())
    assert names[f"{SVG}svg"] == 8
    assert not {f"{HTML}{tag}" for tag in ("script", "link", "img", "iframe", "object")} & set(
        names
    )
    for each in root.iter():
        assert not {"src", "href", "onload", "onclick"} & set(each.attrib)
    text = " ".join(root.itertext())
    assert "@import" not in text
    assert "url(" not in text
    assert VerdictSettings().sha256() in text
    assert "CONTINUE" in text
    assert "missing" in text


def test_names_are_text_and_no_markup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = '<script>alert("x")</script>&amp;'
    rows = [decided(n, control(1.0), model(2.0, name=name, version="<b>")) for n in range(3)]
    root = page_of(tmp_path, rows, monkeypatch)
    assert not list(root.iter(f"{HTML}script"))
    assert name in "".join(root.itertext())


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [decided(1, control(1.0), model(None, None))],
        [decided(1, control(0.0), model(0.0), actual_s=0.0)],
        [decided(1, control(1.0), model(1e300), status="expired", ended_ms=10**9)],
        [decided(1, model(2.0))],
    ],
)
def test_little_is_drawn_of_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[Decided]
) -> None:
    monkeypatch.setenv("GNOMON_DATA_DIR", str(tmp_path / "data"))
    path = write_comparisons(tmp_path / "c.jsonl", [comparison(row) for row in rows])
    out = tmp_path / "out.html"
    assert main(["verdict", "--comparisons", str(path), "--html", str(out)]) == 3
    page_reader.parse(out.read_text())


def test_the_figures_are_those_of_numpy(tmp_path: Path) -> None:
    rows = list(simulated(ratio=0.7, hours=30, agents=4))
    found = drawn(tmp_path, rows)
    y = np.array([row.duration_s for row in rows], float)
    p = np.array([row.predictions[1].duration_s for row in rows], float)
    b = np.array([row.predictions[0].duration_s for row in rows], float)
    q = np.array([row.predictions[1].success_probability for row in rows], float)
    ok = np.array([row.succeeded for row in rows])

    edges = 10.0 ** (np.arange(29) / 4 - 1)
    cells = np.histogram2d(y, p, [np.r_[0, edges[1:-1], np.inf]] * 2)[0]
    assert found.durations == {
        (int(i), int(j)): int(cells[i, j]) for i, j in zip(*np.nonzero(cells), strict=True)
    }
    bins = np.r_[-np.inf, (np.arange(40) - 19.5) / 8, np.inf]
    for said, counts in zip((p, b), found.residuals, strict=True):
        expected = np.histogram(np.log((said + 1) / (y + 1)), bins)[0]
        assert counts == list(expected)
    for tenth, (n, total, hits) in enumerate(found.reliability):
        within = (q >= tenth / 10) & (q < (tenth + 1) / 10)
        assert (n, hits) == (within.sum(), ok[within].sum())
        assert total == pytest.approx(q[within].sum())


def test_each_look_is_what_was_known_then(tmp_path: Path) -> None:
    rows = list(simulated(ratio=0.7, hours=30, agents=4))
    looks = drawn(tmp_path, rows).looks
    assert len(looks) == 30
    assert [look.found.low is None for look in looks] == [True] * 23 + [False] * 7
    for hours in (3, 30):
        start = min(row.hour for row in rows)
        before = [row for row in rows if row.hour < start + hours]
        y = np.array([row.duration_s for row in before], float)
        said = np.array([[s.duration_s for s in row.predictions] for row in before], float)
        loss = np.minimum(abs(np.log1p(said) - np.log1p(y)[:, None]), np.log(10)).sum(0)
        assert looks[hours - 1].found.estimate == pytest.approx(1 - loss[1] / loss[0])


def test_many_looks_are_thinned_out(tmp_path: Path) -> None:
    rows = [decided(n, control(1.0 + n % 3), model(9.0), hour=n) for n in range(900)]
    looks = drawn(tmp_path, rows).looks
    assert 100 < len(looks) <= 240
    assert looks[-1].hour - looks[0].hour > 800


def test_later_pictures_do_not_change_the_verdict(tmp_path: Path) -> None:
    rows = list(simulated(ratio=0.7, hours=26, agents=4))
    drawn(tmp_path, rows)
    path = tmp_path / "c.jsonl"
    with_pictures, without = (gather(path, SETTINGS, draw=draw).evidence for draw in (True, False))
    assert msgspec.json.encode(with_pictures) == msgspec.json.encode(without)


def test_marks_are_in_the_units_of_the_data() -> None:
    picture = Picture(Axis(0, 10, [], ""), percents(0, 1, ""), "x", height=156, left=44)
    assert (picture.across(0), picture.across(10), picture.across(5)) == (44, 444, 244)
    assert (picture.up(0), picture.up(1), picture.up(0.5)) == (112, 12, 62)
    assert picture.across(99) == 444
    assert percents(-0.5, 1, "").ticks[0][1] == "-40 %"


def test_the_file_and_its_offsets_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GNOMON_DATA_DIR", str(tmp_path / "data"))
    places = [(0, 7), (0, 5), (1, 40), (0, 9), (1, 44)]
    rows = [decided(n, control(1.0), model(2.0)) for n in range(len(places))]
    path = write_comparisons(tmp_path / "c.jsonl", [comparison(row) for row in rows])
    lines = [
        b'{"partition":%d,"offset":%d,%b' % (*place, line[1:])
        for place, line in zip(places, path.read_bytes().splitlines(keepends=True), strict=True)
    ]
    path.write_bytes(b"".join(lines))
    root = page_reader.page_of(path)
    shown = page_reader.table_after(root, "Offsets")
    assert [tuple(row.values()) for row in shown] == [("0", "5", "9"), ("1", "40", "44")]
    text = "".join(root.itertext())
    assert hashlib.sha256(path.read_bytes()).hexdigest() in text
    assert f"{path.stat().st_size} bytes" in text


def test_without_offsets_it_says_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = page_of(tmp_path, [decided(1, control(1.0), model(2.0))], monkeypatch)
    text = "".join(root.itertext())
    assert "gnomon tail comparisons --no-follow --json --offsets" in text
    for hint in ("gnomon drill isolation", "gnomon drill record", "gnomon train --learner mix"):
        assert hint in text


def test_an_empty_file_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(page_of(tmp_path, [], monkeypatch).itertext())
    assert "No model has predicted any of the decisions" in text
    assert "gnomon train" in text
    assert "1970" not in text


@pytest.mark.parametrize("hours", [29, 30])
def test_slices_have_bounds_and_e_values_from_thirty_hours_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    root = page_of(tmp_path, list(simulated(ratio=0.7, hours=hours, agents=2)), monkeypatch)
    rows = page_reader.table_after(root, "By agent")
    assert [row["agent-hours"] for row in rows] == [str(hours)] * 2
    assert all(bool(row["bounds"]) == (hours == 30) for row in rows)
    assert all(bool(row["e-value of harm"]) == (hours == 30) for row in rows)


def test_more_than_a_thousand_agents_are_one_slice(tmp_path: Path) -> None:
    rows = [decided(n, control(9.0), model(n + 1.0), agent=f"agent-{n}") for n in range(1_003)]
    found = judged(drawn(tmp_path, rows).slices.agents, SETTINGS)
    assert {each.name: each.decisions for each in found}["(all others)"] == 3
    assert len(found) == 1_001
    assert sum(each.decisions for each in found) == 1_003


def test_a_judged_baseline_has_its_own_section(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GNOMON_DATA_DIR", str(tmp_path / "data"))
    rows = [decided(n, control(20.0), rule("same-type", 12.0)) for n in range(40)]
    path = write_comparisons(tmp_path / "c.jsonl", [comparison(row) for row in rows])
    rules = tmp_path / "settings.json"
    rules.write_text('{"judged_baselines": ["control", "same-type"], "mature_after_s": 0}')
    root = page_reader.page_of(path, "--settings", str(rules))
    sections = root.findall(f".//{HTML}section[@class='model-section']")
    control_section, rule_section = sections
    assert page_reader.table_after(rule_section, "Ledger")[0]["predicted"] == "40"
    expected = 1 - np.log(13 / 11) / np.log(21 / 11)
    (row,) = page_reader.table_after(rule_section, "By agent")
    assert page_reader.numbers(row["better by"]) == [pytest.approx(expected, abs=0.000_51)]
    assert page_reader.table_after(control_section, "Ledger")[0]["predicted"] == "40"
    assert "No task has been scored yet" in "".join(control_section.itertext())


def test_one_of_many_models_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GNOMON_DATA_DIR", str(tmp_path / "data"))
    both = model(2.0), model(3.0, name="other", sha256="0" * 64)
    rows = [decided(n, control(1.0), *both) for n in range(3)]
    path = write_comparisons(tmp_path / "c.jsonl", [comparison(row) for row in rows])
    root = page_reader.page_of(path, "--model", "other@1")
    headings = ["".join(each.itertext()) for each in root.iter(f"{HTML}h2")]
    assert headings[0] == "other version 1 CONTINUE"
    assert len(headings) == 4
    overview = page_reader.table_after(root, "May a model steer agents?")
    assert [row["model"] for row in overview] == ["m 1", "other 1"]
