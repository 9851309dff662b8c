"""Schemathesis over the whole document of `/api/v1`: every operation, with what fits and what does not, as somebody.

What it makes up seldom names a queue or job that is there, so in most requests names are put in that are, in the state
that the operation asks for; what was used up is planted anew.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import CHECKS
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation import GenerationMode

from tests.eventually import eventually_sync
from tests.stand import Stand

QUEUE, ODD = "chat", "späte/Post"
#: What is checked of each answer. Not whether each value of the right type is taken: a queue may hold no “:”.
CHECKED = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "negative_data_rejection", "unsupported_method",
)  # fmt: skip
#: Operation → the state of the jobs it makes sense for.
WANTED = {
    "retryJob": "failed", "retryFlow": "failed", "promoteJob": "delayed", "cancelJob": "active",
    "removeJob": "completed", "changeJob": "delayed",
}  # fmt: skip
#: Bodies that are taken: what is made up fits the document, and seldom means anything.
GOOD: dict[str, Any] = {
    "addJobs": {"jobs": [{"name": "work", "data": {"n": 1}}]},
    "addFlow": {"queue": QUEUE, "name": "whole", "children": [{"name": "part", "data": {"n": 1}}]},
    "changeJob": {"data": {"n": 3}, "due_ms": 2**41 - 1},
    "previewOperation": {"action": "retry", "target": {"queues": [QUEUE], "states": ["failed"]}},
    "beginOperation": {"action": "retry", "target": {"queues": [QUEUE], "states": ["failed"]}, "rate_per_s": 0.1},
    "putScheduler": {"every_ms": 3_600_000},
    "steerWorkers": {"count": 1},
}


@dataclass
class Report:
    """What came of it. `failures` are told apart by operation, check and status."""

    requests: int = 0
    statuses: dict[str, Counter[int]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def answered(self) -> set[str]:
        return {name for name, counts in self.statuses.items() if any(200 <= status < 300 for status in counts)}

    def count(self, least: int) -> int:
        return sum(n for counts in self.statuses.values() for status, n in counts.items() if status >= least)


class Fuzz:
    """One person's requests against a stand with workers and a mirror; `run(most)` sends about so many."""

    def __init__(self, stand: Stand, user: str) -> None:
        self.stand, self.user = stand, user
        self.report, self.chance = Report(), random.Random(7)
        self.people = {name: self._session(name) for name in {"ana", user}}
        self.ids: dict[str, list[str]] = {}
        #: Parameter of a path → what may stand there.
        self.known: dict[str, list[Any]] = {}

    def _session(self, name: str) -> requests.Session:
        with closing(self.stand.signed_in(name)) as who:
            session = requests.Session()
            session.headers.update({key: who.headers[key] for key in ("X-CSRFToken", "Referer")})
            session.cookies.update(dict(who.cookies))
            return session

    def run(self, most: int) -> Report:
        document = self.people["ana"].get(f"{self.stand.address}/api/v1/openapi.json").json()
        schema = schemathesis.openapi.from_dict(document)
        schema.config.update(base_url=f"{self.stand.address}/api/v1")
        operations = [found.ok() for found in schema.get_all_operations()]
        each = max(1, -(-most // (2 * len(operations))))
        self._plant(_JOBS)
        for operation in operations:
            self._prepare(operation.definition.raw["operationId"])
            for mode in GenerationMode:
                self._ask(operation, mode, each)
        return self.report

    def _ask(self, operation: Any, mode: GenerationMode, times: int) -> None:
        name = operation.definition.raw["operationId"]
        checks = [CHECKS.get_one(check) for check in CHECKED]
        rejection = CHECKS.get_one("negative_data_rejection")

        def send(case: Any) -> None:
            is_changed = self._be_known(case) + self._fill(case, name, mode) > 0
            here = [check for check in checks if check is not rejection or not is_changed or _is_bad_body(case)]
            if _is_too_long(case):
                return
            answer = case.call(session=self.people[self.user], timeout=60)
            self.report.requests += 1
            self.report.statuses.setdefault(name, Counter())[answer.status_code] += 1
            try:
                case.validate_response(answer, checks=here)
            except (Failure, FailureGroup) as error:
                for failed in getattr(error, "exceptions", [error]):
                    told = f"{name} {type(failed).__name__} {answer.status_code}"
                    self.report.failures.setdefault(told, f"{failed}\n{case.as_curl_command()}\n{answer.text[:600]}")

        try:
            strategy = operation.as_strategy(generation_mode=mode)
            _generated(strategy, times)(send)
        except Exception as error:
            # An operation that takes nothing cannot be asked wrongly.
            if mode is GenerationMode.POSITIVE or type(error).__name__ not in ("Unsatisfiable", "SkipTest"):
                raise

    def _be_known(self, case: Any) -> bool:
        """Credentials that are made up would hide the person's own; now and then they may."""
        if self.chance.random() < 0.05:
            return False
        told = [name for name in case.headers or () if name.lower() in ("authorization", "x-api-key")]
        for name in told:
            del case.headers[name]
        case.cookies.clear()
        return bool(told)

    def _fill(self, case: Any, name: str, mode: GenerationMode) -> bool:
        """Three of four requests name something that is there. Whether that made a bad request a good one."""
        given, fits = case.path_parameters or {}, mode is GenerationMode.POSITIVE
        # No workers, no jobs: nobody is asked to end.
        is_steered = given.get("verb") == "stop"
        if is_steered:
            given["verb"] = "quiet"
        if self.chance.random() < (0.25 if fits else 0.6):
            return is_steered
        if fits and name in GOOD and self.chance.random() < 0.5:
            case.body = GOOD[name]
        known = self.known | {"queue": [QUEUE] * 9 + [ODD], "job_id": self._of(WANTED.get(name, "completed"))}
        for parameter in given.keys() & known.keys():
            given[parameter] = self.chance.choice(known[parameter])
        if self.chance.random() < 0.8:
            for place, narrowing in ((case.query, ("connection", "cursor")), (case.headers, ("If-Match",))):
                for word in narrowing:
                    (place or {}).pop(word, None)
        return True

    # --- what is there

    def _of(self, state: str) -> list[str]:
        return self.ids.get(state) or [each for ids in self.ids.values() for each in ids]

    def _api(self, method: str, path: str, **body: Any) -> Any:
        answer = self.people["ana"].request(method, f"{self.stand.address}/api/v1{path}", json=body or None, timeout=60)
        assert answer.status_code < 300, (path, answer.status_code, answer.text)
        return answer.json()

    def _prepare(self, name: str) -> None:
        """What the operation is asked of, in the state for it; by the admin, whoever asks then."""
        if name in WANTED:
            self._plant((WANTED[name],))
        if name in ("pauseOperation", "resumeOperation", "cancelOperation", "restoreOperation"):
            self._operations(is_paused=name == "resumeOperation")
        if "Scheduler" in name:
            self._schedulers(name)
        if "Worker" in name:
            self._wake()
            self.known["process_id"] = [worker["id"] for worker in self._api("GET", "/workers")["items"]]

    def _plant(self, states: Iterable[str]) -> None:
        """At least eight jobs in each of these."""
        for state in states:
            name, options, data = _JOBS[state]
            jobs = [{"name": name, "data": data, "options": options}] * 8
            self._api("POST", f"/queues/{QUEUE}/batches", jobs=jobs)
        self._api("POST", f"/queues/{ODD.replace('/', '%2F')}/jobs", name="sort", data={"password": "hunter2"})
        self._api("POST", f"/queues/{QUEUE}/resume")
        self._wake()
        eventually_sync(lambda: all(self._look(state) for state in states), 20, "workers have run what was planted")

    def _wake(self) -> None:
        """The worker takes jobs, once it is there."""
        address = f"{self.stand.address}/api/v1/workers/all/resume"
        ask = self.people["ana"].post
        eventually_sync(lambda: ask(address, json={"count": 1}, timeout=60).ok, 30, "the worker answers")

    def _look(self, state: str) -> list[str]:
        found = self._api("GET", f"/queues/{QUEUE}/jobs?state={state}&limit=20")["items"]
        self.ids[state] = [job["id"] for job in found]
        return self.ids[state]

    def _operations(self, is_paused: bool) -> None:
        """One that has removed something, and one that takes its time."""
        self._plant(("completed", "failed"))
        done = self._api(
            "POST", "/operations", action="remove", reason="fuzzed",
            target={"jobs": [{"queue": QUEUE, "id": job_id} for job_id in self.ids["completed"][:2]]},
        )  # fmt: skip
        slow = self._api("POST", "/operations", **GOOD["beginOperation"])
        if is_paused:
            self._api("POST", f"/operations/{slow['number']}/pause")
        self.known["number"] = [done["number"], slow["number"]]

    def _schedulers(self, name: str) -> None:
        """Some of each standing that the operation asks for."""
        ids = [f"{name}-{self.user}-{number}" for number in range(4)]
        for scheduler_id in ids:
            address = f"/queues/{QUEUE}/schedulers/{scheduler_id}"
            self._api("PUT", address, **GOOD["putScheduler"])
            if name == "resumeScheduler":
                self._api("POST", f"{address}/pause")
            if name == "restoreScheduler":
                self._api("DELETE", address)
        self.known["scheduler_id"] = ids


_JOBS = {
    "completed": ("work", {}, {"n": 1}),
    "failed": ("fails", {"attempts": 1}, {"fail": 1}),
    "delayed": ("later", {"delay_ms": 3_600_000}, {"n": 2}),
    "active": ("long", {"priority": 5}, {"sleep_s": 3600}),
}


def _is_bad_body(case: Any) -> bool:
    body = case.meta.components.get(ParameterLocation.BODY)
    return body is not None and body.mode is GenerationMode.NEGATIVE


def _is_too_long(case: Any) -> bool:
    """daphne hangs up on a line of more than 16 KB before anything of ours is asked."""
    told = [*(case.path_parameters or {}).values(), *(case.query or {}).values(), *(case.headers or {}).values()]
    return sum(len(quote(str(each))) for each in told) > 12_000


def _generated(strategy: Any, times: int) -> Callable[[Callable[[Any], None]], None]:
    told = settings(
        max_examples=times,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )

    def run(send: Callable[[Any], None]) -> None:
        seed(7)(told(given(case=strategy)(lambda case: send(case))))()

    return run


def words(report: Report) -> Iterator[str]:
    """For people: how many, what went wrong, what was never answered well."""
    never = sorted(set(report.statuses) - report.answered)
    share = 100 * len(report.answered) / max(1, len(report.statuses))
    yield f"{report.requests:,} requests, {report.count(500)} answered 5xx, {len(report.failures)} kinds of failures"
    yield f"{share:.0f} % of {len(report.statuses)} operations answered 2xx; never: {', '.join(never) or 'none'}"
    for told, detail in sorted(report.failures.items()):
        yield f"--- {told}\n{detail}"
    yield json.dumps({name: dict(sorted(counts.items())) for name, counts in sorted(report.statuses.items())})
