"""What a browser chose, and what the site's own settings say of the pages."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import unescape

import pytest
from django.template import Context
from hypothesis import given
from hypothesis import strategies as st

from dashboard import theme
from dashboard.choices import DEFAULT, NAMES, Choices, read
from dashboard.drawing import from_string
from dashboard.presentation import external_link, formatted
from queues.models import Job
from queues.options import load, reset_options
from queues.options.reading_dashboard import contrast
from tests.planting import plant_failed, plant_waiting
from tests.web.planted import text_of

SETTINGS = "/admin/queues/settings"
database = pytest.mark.django_db(transaction=True)
AT = datetime(2026, 1, 31, 23, 2, 11, 45_000, tzinfo=UTC)


@pytest.fixture
def told(settings):
    """`told(title="x")`: TORIL["DASHBOARD"] for this test."""

    def tell(**dashboard: object) -> None:
        settings.TORIL = {**settings.TORIL, "DASHBOARD": dashboard}
        reset_options()

    yield tell
    reset_options()


def shown(tell: str, choices: Choices, later_ms: int = 180_000) -> str:
    html = from_string("{% load figures %}{% when at tell %}").render(
        Context({"at": AT, "tell": tell, "choices": choices, "now": int(AT.timestamp() * 1000) + later_ms})
    )
    return text_of(html)


# --- choices


@given(given=st.dictionaries(st.sampled_from(NAMES), st.text(max_size=20)))
def test_cookies_may_hold_anything(given: dict[str, str]) -> None:
    chosen = read(given)
    assert chosen.tzinfo
    assert isinstance(chosen.rows, int)


def test_times_are_written_in_the_chosen_zone_and_format() -> None:
    assert shown("ago", DEFAULT) == "3 min ago"
    assert shown("clock", DEFAULT) == "23:02:11 UTC"
    berlin = read({"zone": "Europe/Berlin", "dates": "absolute", "clock": "12"})
    # There it is the next day already, in both readings of “now”.
    assert shown("clock", berlin) == "12:02:11 AM CET"
    assert shown("clock", berlin, later_ms=86_400_000) == "Feb 1, 2026 12:02:11 AM CET"
    assert shown("ago", berlin) == "Feb 1, 2026 12:02:11 AM CET"
    assert shown("exact", berlin) == "Feb 1, 2026 12:02:11.045 AM CET"
    assert shown("exact", read({"clock": "iso", "zone": "UTC"})) == "2026-01-31 23:02:11.045 UTC"
    assert shown("age", berlin) == "3 min"
    assert read({"zone": "Europe/Nowhere", "clock": "13", "rows": "77", "theme": "<b>"}) == DEFAULT


@database
async def test_what_is_kept_holds_on_every_page_and_without_script(viewer, connection):
    await plant_waiting(connection, "chat", 1)
    chosen = {"theme": "dark", "zone": "Europe/Berlin", "refresh": "paused", "keys": "off", "rows": "25"}
    answer = await viewer.post(SETTINGS, chosen)
    assert (answer.status_code, answer["Location"]) == (303, SETTINGS)
    html = (await viewer.get("/admin/queues/")).content.decode()
    for said in ('data-theme="dark"', 'data-zone="Europe/Berlin"', 'data-refresh="paused"', 'data-keys="off"'):
        assert said in html.partition("<head>")[0]
    page = (await viewer.get(SETTINGS)).content.decode()
    assert len(re.findall(r'type="radio"[^>]* checked', page)) == len(re.findall("<fieldset", page))
    assert 'value="dark" checked' in page
    assert "<option selected>Europe/Berlin" in page
    assert page.count("<h1") == 1


@database
async def test_one_choice_changes_alone_and_leads_back(viewer, connection):
    await viewer.post(SETTINGS, {"theme": "dark", "clock": "12"})
    answer = await viewer.post(SETTINGS, {"refresh": "paused", "back": "/admin/queues/workers?q=a"})
    assert answer["Location"] == "/admin/queues/workers?q=a"
    assert {n: c.value for n, c in viewer.cookies.items() if n[6:] in NAMES and c.value} == {
        "toril_theme": "dark",
        "toril_clock": "12",
        "toril_refresh": "paused",
    }
    assert (await viewer.post(SETTINGS, {"theme": "system", "back": "https://evil.example/"}))["Location"].startswith(
        "/"
    )
    assert not viewer.cookies["toril_theme"].value


@database
async def test_a_slow_page_asks_its_socket_to_be_told_seldom(viewer, connection, told):
    told(refresh="slow", refresh_every_s=20)
    await plant_waiting(connection, "chat", 1)
    assert "every=20" in (await viewer.get("/admin/queues/")).content.decode()
    told(refresh="paused", refresh_choice=False)
    await viewer.post(SETTINGS, {"refresh": "live"})
    html = (await viewer.get(SETTINGS)).content.decode()
    assert 'data-refresh="paused"' in html
    assert "data-pace" not in html
    assert 'name="refresh"' not in html


@database
async def test_who_does_not_want_to_be_asked_acts_at_once_on_what_was_seen(
    operator, connection, client_of_redis, prefix
):
    plant_failed(client_of_redis, prefix, "chat", 3)
    page = "/admin/queues/queue/chat?status=failed"
    assert "confirm=retry-all" in (await operator.get(page)).content.decode()
    await operator.post(SETTINGS, {"confirm": "off"})
    html = (await operator.get(page)).content.decode()
    assert "confirm=retry-all" not in html
    form = re.search(
        r'<form class="inline" method="post" action="([^"]*action=retry-all[^"]*)".*?</form>', html, re.DOTALL
    )
    assert form
    assert "Retry all 3" in form[0]
    fields = dict(re.findall(r'name="(state|before|count)" value="([^"]*)"', form[0]))
    answer = await operator.post(unescape(form[1]), fields)
    assert answer.status_code == 303
    assert client_of_redis.zcard(f"{prefix}:chat:failed") == 0


# --- the site's own


@database
async def test_title_badge_links_and_width_stand_on_every_page(viewer, anonymous, connection, told):
    told(
        title="Acme <jobs>",
        environment={"text": "production", "colour": "#b92323", "band": True},
        links=[{"text": "Runbook", "url": "https://wiki.example.com/"}],
        menu_width=300,
        logo="acme/logo.svg",
        docs_url="/handbook",
    )
    html = (await viewer.get(SETTINGS)).content.decode()
    assert "· Acme &lt;jobs&gt;</title>" in html
    assert '<img class="logo" src="/static/acme/logo.svg" alt="">' in html
    assert 'href="https://wiki.example.com/"' in html
    assert 'href="/handbook"' in html
    assert html.count("production") == 2
    sheet = re.search(r'href="(/admin/queues/theme\.css\?v=\w+)"', html)
    assert sheet
    answer = await anonymous.get(sheet[1])
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/css")
    assert answer.content.decode() == ":root { --menu: 300px; --env: #b92323; --env-ink: #ffffff; }\n"


@database
async def test_where_nothing_is_told_there_is_no_sheet(viewer, connection, told):
    told()
    assert "theme.css" not in (await viewer.get(SETTINGS)).content.decode()


def test_own_colours_keep_the_other_theme_and_are_measured(told) -> None:
    told(theme={"dark": {"paper": "#000000", "ink-3": "#333333"}})
    light = theme.tokens()["paper"][0]
    assert f"--paper: light-dark({light}, #000000);" in theme.own_style()
    sentences = [str(found.msg) for found in theme.check_contrast()]
    assert any("['dark']: “ink-3” on “paper” has a contrast of 1.7 : 1" in sentence for sentence in sentences)
    told()
    assert theme.check_contrast() == []


@given(colour=st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}"))
def test_a_badge_of_any_colour_is_read_easily(colour: str) -> None:
    environment = load({"DASHBOARD": {"environment": {"text": "x", "colour": colour}}}).dashboard.environment
    assert environment
    assert contrast(environment.colour, environment.ink) >= 4.5


def test_what_is_measured_here_is_what_the_test_of_the_tokens_measures() -> None:
    from tests.web import test_look

    assert set(theme.PAIRS) == set(test_look.PAIRS)


# --- functions of the project


def crash(job: object) -> str:
    raise ValueError(job)


def elsewhere(job: Job) -> dict[str, str]:
    return {"href": f"https://logs.example.com/{job.job_id}", "text": "Logs"}


def dangerous(job: Job) -> str:
    return "javascript:alert(1)"


def short(value: object) -> object:
    return {"seen": value}


def test_a_jobs_link_is_filled_or_asked_for_and_leads_only_to_the_web(told, caplog) -> None:
    job = Job(connection="default", queue="a/b", job_id="7 & 8", name="{id}")
    told(external_job_url="https://l.example/{queue}?q={id}&n={name}")
    link = external_link(job)
    assert link
    assert (link.href, link.text) == ("https://l.example/a%2Fb?q=7%20%26%208&n=%7Bid%7D", "l.example")
    told(external_job_url=f"{__name__}.elsewhere", queues={"a*": {"external_job_url": f"{__name__}.dangerous"}})
    assert external_link(job) is None
    other = external_link(Job(connection="default", queue="chat", job_id="7"))
    assert other
    assert (other.href, other.text) == ("https://logs.example.com/7", "Logs")
    told(external_job_url=f"{__name__}.crash")
    assert external_link(job) is None
    assert "failed" in caplog.text


def test_a_formatter_draws_what_is_shown_and_one_that_fails_is_passed_over(told, caplog) -> None:
    told(formatters={"data": f"{__name__}.short", "name": f"{__name__}.crash"})
    assert formatted("chat", "data", '{"a": 1}') == '{"seen": {"a": 1}}'
    assert formatted("chat", "data", "no json") == "no json"
    assert formatted("chat", "name", "work") == "work"
    assert formatted("chat", "progress", "50") == "50"
    assert "formatter failed" in caplog.text


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("title", 7),
        ("logo", "https://elsewhere.example/logo.png"),
        ("links", [{"text": "x", "url": "javascript:alert(1)"}]),
        ("links", [{"text": "x"}]),
        ("environment", {"colour": "#b92323"}),
        ("environment", {"text": "x", "colour": "red"}),
        ("theme", {"dark": {"paper": "black"}}),
        ("theme", {"night": {}}),
        ("menu_width", 20),
        ("refresh", "often"),
        ("date_format", "Y-m-d <b>"),
        ("external_job_url", "javascript:{id}"),
        ("external_job_url", "https://x/{secret}"),
        ("formatters", {"data": "not a path"}),
        ("queues", {"chat": {"colour": "#b92323"}}),
        ("nothing", 1),
    ],
)
def test_a_mistake_names_its_key(key: str, value: object) -> None:
    from queues.options import mistakes

    (sentence,) = mistakes({"DASHBOARD": {key: value}})
    assert sentence.startswith("TORIL['DASHBOARD']")
    assert key in sentence
