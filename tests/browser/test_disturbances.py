"""Broken sockets, ended sessions, a Redis that goes away: the page says so and finds its way back."""

from __future__ import annotations

import pytest
import redis
from playwright.sync_api import Page, expect

from tests.eventually import eventually_sync
from tests.planting import plant_failed
from tests.stand import Stand

pytestmark = pytest.mark.browser
QUIET = ("WebSocket", "ERR_CONNECTION_REFUSED", "503", "401", "Failed to load resource", "htmx")


@pytest.fixture
def stand(tmp_path, own_redis):
    """A web and a Redis for one test alone: they get stopped."""
    opened = Stand(tmp_path, own_redis.url, "bull")
    opened.web()
    yield opened
    opened.close()


@pytest.fixture
def planted(own_redis):
    def plant(queue: str, count: int) -> None:
        with redis.Redis(port=own_redis.port) as client:
            plant_failed(client, "bull", queue, count)
            client.xadd(f"bull:{queue}:events", {"event": "failed", "jobId": count})

    return plant


def failed(page: Page):
    return page.locator("#queues tr[data-name=chat] [data-n=failed]")


def open_overview(page: Page) -> None:
    """The overview with the queue that was planted a moment ago: the next walk over the keys finds it."""
    eventually_sync(lambda: page.goto("/admin/queues/") and failed(page).count(), 15, "the planted queue is listed")


def test_a_broken_socket_is_said_and_catches_up(page: Page, watched, stand, planted) -> None:
    watched.expected = QUIET
    planted("chat", 1)
    open_overview(page)
    expect(page.locator("#live-status")).to_be_visible()
    stand.stop("web")
    expect(page.locator(".live .lost")).to_be_visible()
    planted("chat", 5)
    stand.web()
    expect(failed(page)).to_have_attribute("data-value", "5")
    expect(page.locator(".live .lost")).to_be_hidden()


def test_redis_away_is_said_with_the_age_of_the_figures_and_ends_by_itself(
    page: Page, watched, own_redis, planted
) -> None:
    watched.expected = QUIET
    planted("chat", 3)
    open_overview(page)
    expect(failed(page)).to_have_attribute("data-value", "3")
    own_redis.stop()
    expect(page.locator("#live-status")).to_contain_text("Redis has not answered for")
    page.reload()
    expect(page.locator("#live-status")).to_contain_text("figures from")
    expect(failed(page)).to_have_attribute("data-value", "3")
    own_redis.start()
    planted("chat", 4)
    expect(failed(page)).to_have_attribute("data-value", "4")
    expect(page.locator("#live-status")).to_have_text("live")


def test_an_ended_session_sends_the_whole_page_to_the_door(page: Page, watched, stand, planted) -> None:
    watched.expected = QUIET
    planted("chat", 3)
    page.goto("/admin/queues/queue/chat?status=failed")
    # The browser's session is unknown, and the socket's is not: it would lead to the door by itself.
    page.context.add_cookies([{"name": "toril_session", "value": "x" * 32, "url": stand.address}])
    page.get_by_role("button", name="Pause", exact=True).click()
    page.wait_for_url("**/sign-in**")
    expect(page.get_by_role("button", name="Sign in")).to_have_count(1)


def test_an_ended_session_closes_the_socket_and_leads_to_the_door(page: Page, watched, stand, planted) -> None:
    watched.expected = QUIET
    planted("chat", 1)
    open_overview(page)
    expect(page.locator("#live-status")).to_be_visible()
    stand.manage("shell", "-c", "from django.contrib.sessions.models import Session; Session.objects.all().delete()")
    page.wait_for_url("**/sign-in**")
