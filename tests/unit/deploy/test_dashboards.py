"""The dashboards are what their source makes, name metrics that exist, and can be provisioned."""

import json
import re
from typing import Any

import pytest
import yaml
from deploy.grafana.generator.__main__ import FOLDER, encoded
from tests.support.monitoring.promtool import DEPLOY, RULES

from gnomon.drill.monitoring.panels import Query, queries_of
from gnomon.metric_names import METRICS

UID = "gnomon-prometheus"
QUERIES = queries_of(FOLDER)
RECORDED = {
    rule["record"]
    for group in yaml.safe_load(RULES.read_text())["groups"]
    for rule in group["rules"]
    if "record" in rule
}


def dashboards() -> dict[str, dict[str, Any]]:
    return {path.name: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def test_the_files_are_what_the_source_makes() -> None:
    """Else: ``python -m deploy.grafana.generator``."""
    assert {path.name: path.read_text() for path in FOLDER.glob("*.json")} == encoded()


def test_there_are_five_with_fixed_uids() -> None:
    names = ("broker", "clients", "models", "overview", "stage")
    assert {name: found["uid"] for name, found in dashboards().items()} == {
        f"{name}.json": f"gnomon-{name}" for name in names
    }


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_a_query_names_metrics_that_exist(query: Query) -> None:
    names = re.findall(r"\b(?:gnomon[_:][a-z0-9_:]+|[a-z]+_[a-z_]+(?=\{|\[))", query.expr)
    for name in names:
        plain = re.sub(r"_(bucket|count|sum|info)$", "", name)
        of_process = name.startswith("process_")
        assert of_process or name in RECORDED or name in METRICS or plain in METRICS, name


def test_every_metric_of_gnomon_is_on_a_dashboard_or_in_a_rule() -> None:
    text = " ".join([RULES.read_text(), *(query.expr for query in QUERIES)])
    shown = {re.sub(r"_(bucket|count|sum)$", "", each) for each in re.findall(r"gnomon_\w+", text)}
    elsewhere = {
        "gnomon_build",  # a table of versions is for who needs it
        "gnomon_partition_offset",  # for KEDA and for a person who looks for one record
        "gnomon_vault_unreadable_total",
        "gnomon_vault_verified_timestamp_seconds",
    }
    assert set(METRICS) - shown == elsewhere


def data_sources(found: object) -> set[str]:
    """Every uid of a data source anywhere in a dashboard."""
    if isinstance(found, dict):
        own = {found["datasource"]["uid"]} if "datasource" in found else set()
        return own.union(*map(data_sources, found.values()))
    if isinstance(found, list):
        return set().union(*map(data_sources, found))
    return set()


@pytest.mark.parametrize("name", dashboards())
def test_it_is_tied_to_the_provisioned_data_source(name: str) -> None:
    """A variable in its place is not replaced in provisioned dashboards."""
    found = dashboards()[name]
    assert data_sources(found) == {UID}
    assert "${DS_" not in json.dumps(found)


@pytest.mark.parametrize("name", dashboards())
def test_its_panels_have_ids_of_their_own_a_meaning_and_a_place(name: str) -> None:
    panels = dashboards()[name]["panels"]
    ids = [panel["id"] for panel in panels]
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(ids)) == len(ids)
    assert len(set(places)) == len(places)
    for panel in panels:
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
        if panel["type"] != "row":
            assert len(panel["description"]) > 5
            assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_provisioning_is_as_grafana_documents_it() -> None:
    """https://grafana.com/docs/grafana/latest/administration/provisioning/."""
    folder = DEPLOY / "grafana" / "provisioning"
    sources = yaml.safe_load((folder / "datasources" / "gnomon.yml").read_text())
    providers = yaml.safe_load((folder / "dashboards" / "gnomon.yml").read_text())

    assert sources["apiVersion"] == providers["apiVersion"] == 1
    (source,) = sources["datasources"]
    assert (source["uid"], source["type"], source["access"]) == (UID, "prometheus", "proxy")
    assert set(source) <= {
        "name", "uid", "type", "access", "url", "isDefault", "editable", "jsonData", "orgId",
        "version", "basicAuth", "secureJsonData", "withCredentials", "user", "database",
    }  # fmt: skip
    (provider,) = providers["providers"]
    assert (provider["type"], provider["options"]["path"][0]) == ("file", "/")
    assert set(provider) <= {
        "name", "orgId", "folder", "folderUid", "type", "disableDeletion",
        "updateIntervalSeconds", "allowUiUpdates", "options",
    }  # fmt: skip
