"""docs/from-bull-board.md: every option of Bull Board has its row, every key named there is one that the code takes."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from queues.options import QueueOptions, load
from queues.options.dashboard import Dashboard, QueueView
from queues.options.reading_dashboard import _QUEUE, _SITE, TOKENS
from tests.architecture.test_configuration_docs import PAGE as CONFIGURATION

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "from-bull-board.md").read_text()
SITE, _, REST = PAGE.partition("## Every key")[2].partition("Of single queues")
QUEUE, _, MAPPED = REST.partition("## Bull Board's options")
ROW = re.compile(r"^\| `([^|]+?)` \|(.*?)\|", re.MULTILINE)

#: Of @bull-board/api 9.10: what its server and its UIConfig take.
THEIRS = """boardTitle boardLogo favIcon miscLinks hideDocsLink queueSortOptions locale.lng dateFormats
pollingInterval.showSetting pollingInterval.forceInterval menu.width overview.groupByDelimiter jobDetails.defaultTab
sortQueues hideRedisDetails showMetrics showWorkers environment theme readOnlyMode allowRetries allowCompletedRetries
prefix delimiter displayName description externalJobUrl jobDataSchema setFormatter setVisibilityGuard
handlerHooks.before handlerHooks.after validateResponses addQueue removeQueue setQueues replaceQueues historyProvider
uiBasePath""".split()


def default_of(value: object) -> str:
    return "" if value in ("", (), {}, None) else str(value)


def test_every_key_of_the_site_is_documented_with_its_default() -> None:
    assert {name: row.strip() for name, row in ROW.findall(SITE)} == {
        field.name: default_of(getattr(Dashboard(), field.name)) for field in fields(Dashboard)
    }
    assert set(_SITE) == {field.name for field in fields(Dashboard)}


def test_every_key_of_a_queue_is_documented() -> None:
    assert {name for name, _ in ROW.findall(QUEUE)} == {field.name for field in fields(QueueView)} == set(_QUEUE)


@pytest.mark.parametrize("option", THEIRS)
def test_every_option_of_bull_board_has_its_row(option: str) -> None:
    assert re.search(rf"^\|[^|]*`{re.escape(option)}`[^|]*\| \S", MAPPED, re.MULTILINE)


def test_what_the_rows_name_is_taken_by_the_code() -> None:
    ours = {field.name for kind in (Dashboard, QueueView, QueueOptions) for field in fields(kind)}
    for row in re.findall(r"^\| `.*?\| (.*) \|$", MAPPED, re.MULTILINE):
        for named in re.findall(r"`([a-z_]+)`", row):
            assert named in ours | {"post_save", "slow"}, named
        for named in re.findall(r"`([A-Z_]{4,})`", row):
            assert f"`{named}`" in CONFIGURATION, named
    assert all(load({"DASHBOARD": {"theme": {"dark": {token: "#000000"}}}}) for token in TOKENS)
    assert all(f"`{token}`" in SITE for token in ("paper", "line-strong", "ink-3", "focus"))
