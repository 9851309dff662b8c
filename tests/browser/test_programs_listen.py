"""A page of this site listens with the browser's own EventSource and WebSocket, by its session."""

from __future__ import annotations

import pytest
import redis

from tests.eventually import eventually_sync
from tests.listening import Told

pytestmark = pytest.mark.browser

LISTEN = """
queue => {
  window.heard = [];
  const note = (via, told) => window.heard.push(`${via} ${told.type} ${told.jobId ?? ""}`.trim());
  window.source = new EventSource(`/api/events?queue=${queue}`);
  for (const type of ["subscribed", "job:started", "job:completed"]) {
    window.source.addEventListener(type, (event) => {
      note("source", JSON.parse(event.data));
      window.last = event.lastEventId;
    });
  }
  window.socket = new WebSocket(location.origin.replace("http", "ws") + "/api/ws");
  window.socket.onopen = () => window.socket.send(JSON.stringify({ action: "subscribe", queue }));
  window.socket.onmessage = ({ data }) => note("socket", JSON.parse(data));
}
"""


def test_a_page_of_this_site_hears_of_jobs_and_goes_on_after_an_outage(
    page, watched, stand, module_prefix, redis_server
):
    # The page's own socket is cut with the web, too, and htmx says so.
    refused = ("ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING")
    watched.expected = (*refused, "WebSocket connection", "htmx:ws:error")
    with redis.Redis(port=redis_server.port) as client:
        told = Told(client, module_prefix)
        told.job("1")
        page.evaluate(LISTEN, "chat")

        def heard() -> set[str]:
            # Whatever else a heartbeat says.
            return set(page.evaluate("window.heard"))

        eventually_sync(lambda: {"source subscribed", "socket subscribed"} <= heard())
        told.event("active", "1")
        eventually_sync(lambda: {"source job:started 1", "socket job:started 1"} <= heard())
        stand.stop("web")
        told.event("completed", "1", returnvalue="1")
        stand.web()
        # The browser comes back by itself, and says where it was.
        eventually_sync(lambda: "source job:completed 1" in heard(), 60)
        assert page.evaluate("window.heard").count("source job:started 1") == 1
        page.evaluate("window.source.close()")
