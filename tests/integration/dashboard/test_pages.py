"""Every page by Streamlit's AppTest: with data, without, and with everything down."""

import json
from dataclasses import replace

import msgspec
import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Dataframe
from tests.integration.dashboard.conftest import NOW_MS, Look
from tests.integration.dashboard.fake_source import FakeSource
from tests.integration.dashboard.texts import said
from tests.support.stores.filled import AGENTS, HOSTILE, LONG

from gnomon.dashboard.window import DAY_MS

PAGES = ("verdict", "live", "agents", "models", "drift", "vault", "operations")
OF_STORE = ("verdict", "live", "agents", "models", "drift", "vault")


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.usefixtures("source")
def test_with_data_each_number_has_its_definition(name: str, look: Look) -> None:
    page = look(name, window="7d")
    assert not page.exception
    # The data have an experiment whose groups are not of the sizes that its weights say.
    assert {error.icon for error in page.error} <= {":material/balance:"}
    assert page.metric or page.dataframe
    assert [each.label for each in page.metric if not each.help] == []
    assert [without for each in page.dataframe for without in undefined(each)] == []
    assert "None" not in said(page)


def undefined(table: Dataframe) -> list[str]:
    """Names of the shown columns of a table of which no definition is told."""
    config = json.loads(table.proto.columns)
    shown = table.proto.column_order or list(table.value.columns)
    return [name for name in shown if not config.get(name, {}).get("help")]


@pytest.mark.parametrize("name", PAGES)
def test_without_anything_each_page_says_what_to_do(name: str, look: Look) -> None:
    page = look(name)
    assert not page.exception
    assert page.info or page.error
    assert "gnomon " in said(page) or "gnomon." in said(page)


@pytest.mark.parametrize("name", PAGES)
def test_a_store_that_is_down_is_told_and_shows_no_secret(
    name: str, source: FakeSource, look: Look
) -> None:
    down = "postgresql://u:secret@127.0.0.1:1/gnomon"
    source.settings = replace(source.settings, store_url=down)
    page = look(name)
    assert not page.exception
    assert "secret" not in said(page)
    assert bool(page.error) == (name in OF_STORE)
    assert ("not known now" in said(page)) == (name in OF_STORE)


@pytest.mark.parametrize("name", ["live", "agents", "models", "drift"])
@pytest.mark.usefixtures("source")
def test_a_period_without_data_says_when_it_came_last(name: str, look: Look) -> None:
    page = look(name, window="1h", until=str(NOW_MS - 60 * DAY_MS))
    assert not page.exception
    assert "in these 1h. The last came at" in said(page).replace("**", "")
    (jump,) = [each for each in page.button if each.label == "Go there"]
    jump.click().run()
    assert not page.exception
    assert "The last came at" not in said(page)


@pytest.mark.parametrize(
    "agent", [AGENTS[0], HOSTILE, LONG[:200]], ids=["plain", "hostile", "long"]
)
@pytest.mark.usefixtures("source")
def test_an_agent_id_is_shown_as_text_and_shortened(agent: str, look: Look) -> None:
    page = look("agents", window="7d", agent=agent)
    assert not page.exception
    (heading,) = (each.value for each in page.subheader)
    assert len(said(page)) < 1_000
    assert heading.replace("\\", "").replace("\u2060", "")[:50] == agent[:50]
    assert "<script>" not in heading  # each < and > has a backslash before it
    assert {each.label: each.value for each in page.metric}["Tasks"] != "0"


@pytest.mark.usefixtures("source")
def test_a_chosen_agent_stands_in_the_url(look: Look) -> None:
    page = look("agents", window="7d")
    page.selectbox[0].set_value(AGENTS[1]).run()
    assert not page.exception
    assert page.query_params["agent"] == AGENTS[1]
    assert page.query_params["window"] == "7d"
    assert [each.value for each in page.subheader] == [AGENTS[1]]


@pytest.mark.usefixtures("source")
def test_a_chosen_version_stands_in_the_url(look: Look) -> None:
    page = look("models")
    (choice,) = [each for each in page.selectbox if each.label == "Version"]
    assert choice.value == "gnomon 5"
    choice.set_value("gnomon 4").run()
    assert not page.exception
    assert page.query_params["model"] == "gnomon 4"
    assert "It is not stored" in said(page)  # the importance of version 4


@pytest.mark.usefixtures("source")
def test_an_agent_that_is_not_there_is_told(look: Look) -> None:
    page = look("agents", agent="nobody")
    assert not page.exception
    assert "No task of this agent yet" in said(page)


@pytest.mark.parametrize("window", ["", "9y", "'; DROP TABLE gnomon_tasks", "9" * 400])
@pytest.mark.usefixtures("source")
def test_nonsense_in_the_url_is_the_default(window: str, look: Look) -> None:
    page = look("live", window=window, until=window)
    assert not page.exception
    assert page.button_group[0].value == "24h"


def test_a_ledger_that_does_not_add_up_is_told(source: FakeSource, look: Look) -> None:
    source.ledger = msgspec.structs.replace(source.ledger, pending=19)
    assert "does not add up: +1 predictions" in said(look("live"))


@pytest.mark.usefixtures("source")
def test_alerts_are_shown_with_their_severity_and_foreign_words_as_text(look: Look) -> None:
    page = look("operations")
    assert not page.exception
    (shown,) = [each.value for each in page.dataframe if "severity" in each.value]
    assert shown["alert"].tolist() == ["GnomonNoProgress", "GnomonDrift"]
    assert shown["silenced"].tolist() == [False, True]
    assert shown["since"].tolist()[0].endswith(" min ago")
    assert all(len(each) <= 60 for each in shown["of"])


def test_without_alertmanager_the_page_says_which_setting_names_it(look: Look) -> None:
    assert "GNOMON_ALERTMANAGER_URL" in said(look("operations"))


def test_a_version_links_to_its_run_where_a_server_has_it(source: FakeSource, look: Look) -> None:
    def links() -> list[str | None]:
        (shown,) = [each.value for each in look("models").dataframe if "run" in each.value]
        return list(shown["run"])

    assert links() == [None, None, None]
    uri = "https://ada:secret@mlflow.example:5000/ml/"
    source.settings = replace(source.settings, mlflow_uri=uri)
    assert links()[1] == "https://mlflow.example:5000/ml/#/models/gnomon/versions/5"


def test_a_registry_that_is_down_is_told(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GNOMON_MLFLOW_URI", "http://127.0.0.1:1")
    assert "Versions: not known now." in said(look("models"))


def test_a_broker_that_is_down_is_told(look: Look) -> None:
    assert "Stages: not known now." in said(look("live"))
    assert "Dead letters: not known now." in said(look("operations"))


def test_alertmanager_that_does_not_answer_is_told(
    look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GNOMON_ALERTMANAGER_URL", "http://ada:secret@127.0.0.1:1")
    page = look("operations")
    assert "Alerts: not known now. Alertmanager does not answer" in said(page).replace("*", "")
    assert "secret" not in said(page)


def test_pages_only_show_unless_a_setting_allows_more(source: FakeSource, look: Look) -> None:
    for name in ("models", "operations"):
        page = look(name)
        assert not [
            each for each in page.button if each.label in {"Promote", "Roll back", "Redrive"}
        ]
        assert "These pages only show" in said(page)
    assert source.done == []


def allowed(source: FakeSource) -> None:
    source.settings = replace(source.settings, dashboard_actions=True)


def press(page: AppTest, label: str) -> AppTest:
    (button,) = [each for each in page.button if each.label == label]
    button.click().run()
    assert not page.exception
    return page


def test_promoting_takes_a_name_and_a_confirmation(source: FakeSource, look: Look) -> None:
    allowed(source)
    page = press(look("models"), "Promote")
    assert "type your name" in said(page)
    page.text_input(key="author_promote").input("  grace ")
    page = press(page, "Promote")
    assert "confirm it" in said(page)
    assert source.done == []
    page.checkbox[0].check()
    page = press(page, "Promote")
    assert source.done == [("promote", "6", "grace")]
    assert "Done by grace: champion is version 6" in said(page)


def test_a_refused_promotion_is_told(source: FakeSource, look: Look) -> None:
    allowed(source)
    page = look("models")
    page.text_input(key="author_promote").input("grace")
    page.checkbox[0].check()
    next(each for each in page.selectbox if each.label == "Make champion").select("4")
    assert "It did not work. version 4 may not be used" in said(press(page, "Promote")).replace(
        "*", ""
    )
    assert source.done == []


def test_rolling_back_and_redriving(source: FakeSource, look: Look) -> None:
    allowed(source)
    page = look("models")
    page.text_input(key="author_roll_back").input("grace")
    page.checkbox[1].check()
    press(page, "Roll back")
    page = look("operations")
    page.multiselect[0].select("0:1").select("0:2")
    page.text_input(key="author_redrive").input("grace")
    page.checkbox[0].check()
    page = press(page, "Redrive")
    assert source.done == [("roll back", "grace"), ("redrive", "0:1", "0:2")]
    assert "2 sent back" in said(page)


def test_a_token_is_asked_for(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GNOMON_DASHBOARD_TOKEN", "open sesame")
    page = look()
    assert not page.metric
    page.text_input[0].input("wrong")
    assert "This is not the token" in said(press(page, "Look"))
    for _ in range(6):
        press(page, "Look")
    assert "Too many wrong tokens" in said(page)
    assert "open sesame" not in said(page)


def test_the_token_opens_the_page(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GNOMON_DASHBOARD_TOKEN", "open sesame")
    page = look()
    page.text_input[0].input("open sesame")
    page = press(page, "Look")
    assert [each.value for each in page.title] == ["Verdict"]


def test_behind_a_proxy_only_its_users_look(look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GNOMON_DASHBOARD_USER_HEADER", "X-Forwarded-User")
    page = look()
    assert "only served to users whom its proxy has logged in" in said(page)
    assert not page.metric
