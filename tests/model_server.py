"""A chat-completions server on loopback: real HTTP, answers as a test plans them, one after the other."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

USAGE = {"prompt_tokens": 40, "completion_tokens": 10, "total_tokens": 50}
#: What a model would answer to each order, by a word in it.
ANSWERS: Mapping[str, Any] = {
    "Summarize": {"summary": "Late."},
    "about, in one": {"category": "shipping", "scores": {"shipping": 0.9}},
    "positive, negative": {"sentiment": "negative", "score": -0.8},
    "Translate": {"language": "fr", "text": "en retard"},
    "List the e-mail": {"emails": ["ana@example.com"], "dates": [], "amounts": ["€4.90"]},
}


@dataclass
class Plan:
    """One answer. `hold`: it is not given before this is set. `body` None: what a model would say."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    text: str | None = None
    usage: Any = field(default_factory=lambda: dict(USAGE))
    hold: threading.Event | None = None


class ModelServer:
    """Answers by `plans`, then as a model does; `asked` is every question with its headers, `at` when it came."""

    def __init__(self) -> None:
        self.plans: list[Plan] = []
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.at: list[float] = []
        self._lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.path != "/v1/chat/completions":
                    self.send_error(404)
                    return
                server._answer(self, question)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def close(self) -> None:
        for plan in self.plans:
            if plan.hold is not None:
                plan.hold.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, handler: BaseHTTPRequestHandler, question: dict[str, Any]) -> None:
        with self._lock:
            self.asked.append(question)
            self.keys.append(handler.headers.get("Authorization"))
            self.at.append(time.monotonic())
            plan = self.plans.pop(0) if self.plans else Plan()
        if plan.hold is not None:
            plan.hold.wait(60)
        body = plan.body if plan.body is not None else _completion(question, plan)
        try:
            handler.send_response(plan.status)
            for name, value in {"Content-Type": "application/json", **plan.headers}.items():
                handler.send_header(name, value)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)
        except OSError:
            # Who asked has gone.
            handler.close_connection = True


def _completion(question: dict[str, Any], plan: Plan) -> bytes:
    order = question["messages"][0]["content"]
    text = plan.text if plan.text is not None else json.dumps(next(a for word, a in ANSWERS.items() if word in order))
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    told = {"id": "c-1", "object": "chat.completion", "model": "tiny-1", "choices": [choice], "usage": plan.usage}
    return json.dumps({name: value for name, value in told.items() if value is not None}).encode()


@pytest.fixture
def model() -> Iterator[ModelServer]:
    server = ModelServer()
    yield server
    server.close()
