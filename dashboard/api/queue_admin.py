"""`/v1/admin/queue/…`: figures of queues, pause, resume and clean, by the paths of the AI API platform."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from django.http import HttpResponse, JsonResponse
from django.utils.translation import gettext as _

from dashboard.api.counts import counts
from dashboard.api.methods import takes
from dashboard.api.seen import figures_seen, queue_seen, queues_seen
from dashboard.pages.shell.frame import known_connection
from dashboard.request import Request
from queues.actions import bulk
from queues.actions.queues import pause_queue, resume_queue
from queues.errors import InvalidInput, RedisUnavailable
from queues.models import Queue
from queues.options import get_options
from queues.states import BULK_ACTIONS, State, parse_state

QUEUE = "ai-jobs"
#: How old finished jobs are that are cleaned away where the queue's own settings do not say.
KEPT_S = {State.COMPLETED: 3_600, State.FAILED: 7 * 86_400}
MOST, LONGEST_GRACE_MS = 1_000_000, 10 * 366 * 86_400_000
_WORD = re.compile(r"[^\W_]+")


@takes("GET")
async def metrics(request: Request) -> HttpResponse:
    """One queue's: `{"queue": "ai-jobs", "waiting": 5, …, "total": 110}`."""
    return _told(_figures(await figures_seen(request, known_connection(request), _queue(request))))


@takes("GET")
async def all_metrics(request: Request) -> HttpResponse:
    """Every queue's that the asker sees, each under its name in camel case: `{"aiJobs": {…}}`."""
    seen = await queues_seen(request, known_connection(request))
    told: dict[str, Any] = {}
    for queue in seen.queues:
        key = camel(queue.name)
        # Two names that read the same in camel case: the second keeps its own.
        told[queue.name if key in told else key] = _figures(queue)
    return _told(told)


@takes("POST")
async def pause(request: Request) -> HttpResponse:
    """Workers start nothing more of the queue."""
    return await _switch(request, pauses=True)


@takes("POST")
async def resume(request: Request) -> HttpResponse:
    """Workers start its jobs again."""
    return await _switch(request, pauses=False)


@takes("POST")
async def clean(request: Request) -> HttpResponse:
    """Removes finished jobs that are older than the queue keeps them; `status`, `grace` (ms) and `limit` say otherwise.

    `left` is how many such jobs were not reached in this request: ask again.
    """
    connection, queue = known_connection(request), _queue(request)
    request.grants.require_sight(queue)
    request.grants.on(queue).require("queue.clean")
    await queue_seen(request, connection, queue)
    rest, cleaned, left, sentences = _number(request, "limit", MOST, MOST, 1), 0, 0, []
    for state, grace_ms in _asked(request, queue):
        counted = await bulk.plan(connection, queue, "clean", state, grace_ms)
        meant = replace(counted, count=min(counted.count, rest - cleaned), is_least=False)
        if meant.count <= 0:
            continue
        done = await bulk.run(request.grants.actor, meant)
        if done.error and not done.done:
            raise RedisUnavailable(done.error)
        cleaned, left = cleaned + done.done, left + done.left
        sentences.append(done.sentence)
    message = " ".join(sentences) or _("There was nothing to clean.")
    return _told({"queue": queue, "cleaned": cleaned, "left": left, "message": message})


async def _switch(request: Request, *, pauses: bool) -> HttpResponse:
    connection, queue = known_connection(request), _queue(request)
    request.grants.require_sight(queue)
    request.grants.on(queue).require("queue.pause" if pauses else "queue.resume")
    done = await (pause_queue if pauses else resume_queue)(request.grants.actor, connection, queue)
    return _told({"queue": queue, "paused": pauses, "message": done.message})


def _asked(request: Request, queue: str) -> list[tuple[State, int]]:
    """Which jobs are meant: states, each with the age in ms that spares the younger. Raises InvalidInput."""
    status = request.GET.get("status")
    states = [_state(status)] if status else list(KEPT_S)
    return [(state, _number(request, "grace", _kept_ms(queue, state), LONGEST_GRACE_MS)) for state in states]


def _state(status: str) -> State:
    # What Node calls it.
    state = parse_state("waiting" if status == "wait" else status)
    if state not in BULK_ACTIONS["clean"]:
        known = ", ".join(sorted(state.value for state in BULK_ACTIONS["clean"]))
        raise InvalidInput(_("status: jobs are cleaned that are %(states)s.") % {"states": known})
    return state


def _kept_ms(queue: str, state: State) -> int:
    """As long as the queue's settings keep such jobs."""
    options = get_options().queue(queue)
    keep = options.remove_on_complete if state is State.COMPLETED else options.remove_on_fail
    if state not in KEPT_S:
        return 0
    return 1000 * (keep.age_s if keep is not None and keep.age_s is not None else KEPT_S[state])


def _number(request: Request, name: str, default: int, most: int, least: int = 0) -> int:
    told = request.GET.get(name)
    if told is None:
        return default
    if not (told.isascii() and told.isdigit() and len(told) < 16 and least <= int(told) <= most):
        bounds = {"name": name, "least": least, "most": most}
        raise InvalidInput(_("%(name)s: a whole number from %(least)s to %(most)s.") % bounds)
    return int(told)


def camel(name: str) -> str:
    """`ai-jobs` → `aiJobs`; a name without letters and digits stays as it is."""
    words: list[str] = _WORD.findall(name) or [name]
    first, *others = words
    return first[:1].lower() + first[1:] + "".join(word[:1].upper() + word[1:] for word in others)


def _figures(queue: Queue) -> dict[str, Any]:
    return {"queue": queue.name, **counts(queue)}


def _queue(request: Request) -> str:
    return request.GET.get("queue") or QUEUE


def _told(body: dict[str, Any]) -> HttpResponse:
    return JsonResponse(body, headers={"Cache-Control": "no-store"})
