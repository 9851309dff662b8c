"""deploy/prometheus and deploy/grafana: what they ask for is what a running /metrics prints, in PromQL that holds."""

from __future__ import annotations

import json

import pytest

from queues.lookups import exported
from queues.lookups.mirror_state import Followed, MirrorState
from tests.alerting import in_database, looking, plant_alert
from tests.monitoring import BOARD, DEPLOY, RULES, board_expressions, metrics_in, panels, promtool, rules
from tests.planting import plant_waiting
from tests.web.test_metrics_endpoint import beats_last, plant_beat, plant_totals, samples, text  # noqa: F401


@pytest.mark.django_db(transaction=True)
async def test_every_metric_that_is_named_is_one_that_is_printed(viewer, connection, monkeypatch):
    async def leading() -> MirrorState:
        return MirrorState(leads=True, is_known=True, connections=(Followed("default", 1.5),))

    monkeypatch.setattr(exported, "mirror_state", leading)
    await plant_waiting(connection, "chat")
    await plant_totals(connection)
    await plant_beat(connection, "chat")
    async with looking() as duty:
        await duty.turn()
        await in_database(plant_alert)(1, "chat")
        printed = {key[0] for key in samples(await text(viewer))}
    # Of an hour in which nothing ended there is none.
    printed.add("bullmq_queue_failure_ratio")
    page = (DEPLOY.parent / "docs" / "monitoring.md").read_text()
    told = {
        RULES.name: {name for rule in rules() for name in metrics_in(rule["expr"])},
        BOARD.name: {name for each in board_expressions() for name in metrics_in(each)},
        "monitoring.md": metrics_in(page),
    }
    for where, names in told.items():
        assert names, where
        assert not names - printed - BASES, where
    assert not {name for name in printed if not name.endswith(SUFFIXES)} - told["monitoring.md"]


SUFFIXES = ("_bucket", "_sum", "_count", "_created")
#: Histograms are named without what their samples end in, and `bullmq_job_count` is none.
BASES = {"bullmq_job_wait_seconds", "bullmq_job_duration_seconds"}


def test_promtool_takes_the_rules_and_their_tests_and_the_scrape(tmp_path):
    folder = RULES.parent
    assert "SUCCESS" in promtool("check", "rules", str(RULES))
    assert "SUCCESS" in promtool("check", "config", "--syntax-only", str(folder / "prometheus.yml"))
    said = promtool("test", "rules", str(folder / "toril.rules.test.yml"))
    assert "SUCCESS" in said, said


def test_each_panels_expression_is_promql(tmp_path):
    found = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(board_expressions())]
    (tmp_path / "panels.yml").write_text(json.dumps({"groups": [{"name": "panels", "rules": found}]}))
    said = promtool("check", "rules", str(tmp_path / "panels.yml"))
    assert f"SUCCESS: {len(found)} rules found" in said, said


def test_panels_have_titles_ids_and_places_of_their_own():
    shown = list(panels())
    assert len({panel["id"] for panel in shown}) == len(shown) == len({panel["title"] for panel in shown})
    taken = [
        (x, y)
        for panel in shown
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(taken)) == len(taken)
    assert max(x for x, _ in taken) == 23


def test_each_alert_says_what_is_wrong_and_how_bad_it_is():
    for rule in rules():
        assert rule["annotations"]["summary"].endswith("."), rule["alert"]
        assert rule["labels"]["severity"] in ("critical", "warning", "info"), rule["alert"]
