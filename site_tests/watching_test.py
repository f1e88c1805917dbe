"""The alert rules and the dashboard: each asks for what /metrics tells, in words it knows."""

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from django.conf import settings as django_settings
from django.test import Client
from django.utils import timezone
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from promql_parser import MatchOp, VectorSelector

import main.metrics  # noqa: F401 - it decides which series there are
from courses.factories import CourseRunFactory
from openedx_certificates.figures import OUTCOMES, OpenRequests, SweepFigures
from openedx_certificates.instruments import INSTRUMENTS
from openedx_certificates.metrics import Figures, describe
from openedx_certificates.models import CourseRunSweep, OpenEdxPause
from openedx_certificates.webhooks.tokens import ENDS_SOON

DOCS = Path(django_settings.BASE_DIR) / "docs"
JOB = "mitxonline-certificates"
# Prometheus's own, about each of its targets.
OF_PROMETHEUS = {"up": {"job": {JOB}, "instance": set()}}
#: By the name of a series, the labels it has and the values these take.
Exported = dict[str, dict[str, set[str]]]

ALERTS = [
    rule
    for group in yaml.safe_load((DOCS / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
DASHBOARD = json.loads((DOCS / "grafana-dashboard.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [pytest.param(rule["expr"], id=f"alert {rule['alert']}") for rule in ALERTS] + [
    pytest.param(
        target["expr"].replace("$__rate_interval", "5m"),
        id=f"panel {panel['title']} {target['refId']}",
    )
    for panel in PANELS
    for target in panel["targets"]
]


@cache
def list_exported() -> Exported:
    """Return what is told of a site in a pause, after a run was swept."""
    now = timezone.now()
    figures = Figures(
        read_on=now,
        requests=OpenRequests(count=1, oldest_on=now, failing=1, due=1, overdue=1),
        settled=dict.fromkeys(OUTCOMES, 1),
        pause=OpenEdxPause(failures=10, since=now, next_probe_on=now),
        sweeps=SweepFigures(
            runs=1,
            broke_off=1,
            with_failed_learners=1,
            failing=1,
            last_finished_on=now,
            certificates_created=1,
        ),
        last_token_ends_on=now,
    )
    return _by_name([*INSTRUMENTS.collect(), *describe(figures)])


def _by_name(metrics: Iterable[Metric]) -> Exported:
    found: Exported = {}
    for metric in metrics:
        for sample in metric.samples:
            labels = found.setdefault(sample.name, {})
            for name, value in sample.labels.items():
                labels.setdefault(name, set()).add(value)
    return found


@pytest.mark.django_db(transaction=True)
def test_the_page_tells_what_the_rules_and_the_dashboard_are_held_to(client: Client, settings: Any):
    settings.DEBUG = True
    now = timezone.now()
    OpenEdxPause.objects.create(pk=1, failures=10, since=now, next_probe_on=now)
    CourseRunSweep.objects.create(course_run=CourseRunFactory(), started_on=now, finished_on=now)

    page = client.get("/metrics").content.decode()

    assert _by_name(text_string_to_metric_families(page)) == list_exported()


def find_selectors(node: Any) -> Iterator[VectorSelector]:
    """Yield what an expression asks for."""
    if isinstance(node, VectorSelector):
        yield node
    for name in ("lhs", "rhs", "expr", "vector_selector", "param"):
        if (part := getattr(node, name, None)) is not None:
            yield from find_selectors(part)
    for part in getattr(node, "args", None) or ():
        yield from find_selectors(part)


@pytest.mark.parametrize("query", QUERIES)
def test_what_is_asked_for_is_told(query: str):
    selectors = list(find_selectors(promql_parser.parse(query)))

    assert selectors
    known = list_exported() | OF_PROMETHEUS
    for selector in selectors:
        assert selector.name in known
        labels = known[selector.name]
        for matcher in selector.matchers.matchers:
            is_a_choice = matcher.op in (MatchOp.Re, MatchOp.NotRe)
            values = matcher.value.split("|") if is_a_choice else [matcher.value]
            assert set(values) <= labels[matcher.name]


@pytest.mark.parametrize("query", QUERIES)
def test_what_is_grouped_by_is_a_label(query: str):
    labels = {label for found in list_exported().values() for label in found} | {"instance"}

    for grouped in re.findall(r"by \(([^)]*)\)", query):
        assert set(grouped.replace(" ", "").split(",")) <= labels


def test_the_dashboard_shows_all_there_is():
    shown = {
        selector.name
        for query in QUERIES
        if str(query.id).startswith("panel")
        for selector in find_selectors(promql_parser.parse(query.values[0]))
    }

    # Of a histogram the count and the sum follow from the buckets' neighbours.
    names = {re.sub(r"_(bucket|count|sum)$", "", name) for name in list_exported()}
    assert {re.sub(r"_(bucket|count|sum)$", "", name) for name in shown} == names


@pytest.mark.parametrize("rule", [pytest.param(rule, id=rule["alert"]) for rule in ALERTS])
def test_an_alert_says_how_bad_it_is_what_it_means_and_where_to_read_on(rule: dict[str, Any]):
    assert rule["labels"]["severity"] in ("critical", "warning")
    texts = rule["annotations"]
    assert set(texts) == {"summary", "description", "runbook"}
    assert all(texts.values())
    assert texts["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"
    assert re.fullmatch(r"[0-9]+[mh]", rule.get("for", "0m"))


def test_the_alert_of_a_tokens_end_comes_as_early_as_the_other_warnings():
    (rule,) = [rule for rule in ALERTS if rule["alert"] == "CertificateTokenEnds"]

    assert rule["expr"].endswith(f" < {ENDS_SOON.days} * 86400")


def test_the_page_for_operators_has_a_heading_for_each_alert_and_for_no_other():
    headings = re.findall(
        r"^### (Certificate\w+)$", (DOCS / "operations.md").read_text(), re.MULTILINE
    )

    assert sorted(headings) == sorted(rule["alert"] for rule in ALERTS)


def test_each_metric_that_the_page_for_operators_names_is_told():
    words = re.findall(
        r"`((?:mitxonline_certificate|\.\.\.)_\w+)`", (DOCS / "operations.md").read_text()
    )

    assert words
    assert {word.replace("...", "mitxonline_certificate") for word in words} <= set(list_exported())


def test_the_dashboard_can_be_imported_anywhere():
    (variable,) = DASHBOARD["templating"]["list"]
    assert (variable["name"], variable["type"], variable["query"]) == (
        "datasource",
        "datasource",
        "prometheus",
    )
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in PANELS:
        assert panel["datasource"]["uid"] == "${datasource}"
        assert panel["title"]
        assert panel["description"].endswith(".")


def test_no_two_panels_lie_on_each_other():
    taken: dict[tuple[int, int], str] = {}
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, (panel["title"], taken[x, y])
                taken[x, y] = panel["title"]
