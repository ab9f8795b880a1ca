"""The page Verdict by Streamlit's AppTest: with data, without, and with the store down."""

import re

import pytest
from tests.integration.dashboard.conftest import NOW_MS, Look
from tests.integration.dashboard.texts import said

from gnomon.dashboard.window import DAY_MS


@pytest.mark.usefixtures("source")
def test_every_challenger_has_its_word_and_what_blocks_it(look: Look) -> None:
    page = look()
    assert not page.exception
    text = said(page)
    assert "gnomon 5" in text
    assert "gnomon 6" in text
    assert "improvement, drills" in text
    assert "Improvement is hidden" in text  # of version 6
    metrics = {(each.label, each.value) for each in page.metric}
    assert ("Improvement", "+31.0 %") in metrics
    assert ("Improvement", "-") in metrics
    assert ("Decisions", "2,016") in metrics
    assert ("Decisions", "40") in metrics  # counts are never hidden
    assert all(each.help for each in page.metric)


@pytest.mark.usefixtures("source")
def test_every_experiment_is_on_the_wall_with_its_word_and_what_blocks_it(look: Look) -> None:
    page = look()
    text = said(page)
    assert "prompts" in text
    assert "Blocked by** failure" in text
    assert "Duration -18.1 % (-25.9 % to -9.5 %); failures +1.0 points (-2.0 to +4.0)" in text
    assert "800 exposed units, as the weights say" in text
    assert "1,300 exposed units, NOT as the weights say" in "".join(e.value for e in page.error)
    assert "Hidden until the variant and control have 50 units each" in text
    assert "Judge it again: `gnomon verdict --experiment models" in text  # two days ago
    assert "--experiment prompts" not in text
    assert [each.label for each in page.expander] == ["Stopped experiments: 1"]
    assert ("Units", "12") in {(each.label, each.value) for each in page.metric}


@pytest.mark.usefixtures("source")
def test_the_first_lines_have_the_word_of_everything_that_runs(look: Look) -> None:
    page = look()
    (lines,) = [each.value for each in page.markdown if "  \n" in each.value]
    told = [re.sub(r"[*\\]|:\w+-background|\u2060", "", line) for line in lines.split("  \n")]
    assert told == [
        "[GO] gnomon 5",
        "[CONTINUE] gnomon 6 blocked by improvement, drills",
        "[CONTINUE] prompts: short blocked by failure",
        "[CONTINUE] skewed: short blocked by failure",
        "[CONTINUE] models: short blocked by units",
    ]


@pytest.mark.usefixtures("source")
def test_a_period_without_data_says_when_it_came_last_and_jumps_there(look: Look) -> None:
    page = look(window="1h", until=str(NOW_MS - 60 * DAY_MS))
    assert not page.exception
    assert "No verdict on it in these 1h" in said(page)
    assert "The last came at" in said(page)
    (jump,) = [each for each in page.button if each.label == "Go there"]
    jump.click().run()
    assert int(page.query_params["until"]) > NOW_MS - DAY_MS
    assert "No verdict on it" not in said(page)


@pytest.mark.usefixtures("source")
def test_the_period_stands_in_the_url(look: Look) -> None:
    page = look(window="30d")
    assert page.button_group[0].value == "30d"
    page.button_group[0].set_value("24h").run()
    assert page.query_params["window"] == "24h"


def test_without_a_store_the_page_says_what_to_do(look: Look) -> None:
    page = look()
    assert not page.exception
    assert "No verdicts yet" in said(page)
    assert "run gnomon worker vault" in said(page)
