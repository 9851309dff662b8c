"""Actions over many jobs: first counted, then worked off in chunks that Redis hardly notices.

Until such work becomes an operation of its own, one call works for a few seconds and says what is left.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from queues.actions import counting
from queues.actions.actor import Actor
from queues.actions.audit import Deed, Ending, record
from queues.actions.pace import Pace
from queues.actions.walks import Step, Walk, walks
from queues.actions.wording import VERBS, question, report
from queues.errors import InvalidInput, TorilError
from queues.models import Outcome
from queues.models.local import is_in_process
from queues.protocol.connections import wire
from queues.protocol.writes import NOT_IN_STATE, REASONS, now_ms
from queues.states import BULK_ACTIONS, State, parse_state

#: So many reasons why jobs were left are told apart.
MOST_REASONS = 3


@dataclass(frozen=True, slots=True)
class Plan:
    """What an action would touch: the jobs that were there, and old enough, at `before_ms`. `sentence` asks consent.

    `count` is exact, unless `is_least`; then no fewer, of `total` jobs in the state.
    """

    connection: str
    queue: str
    action: str
    state: State
    count: int
    before_ms: int
    sentence: str
    is_least: bool = False
    total: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a plan has come: of its jobs `done` were touched, `skipped` could not be or had moved on, `left` remain.

    `finished`: asking again would do nothing more. `error` is what stopped it early; `reasons` why jobs were skipped.
    """

    done: int
    skipped: int
    left: int
    finished: bool
    plan: Plan
    error: str = ""
    reasons: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """“37 failed jobs retried, 2 skipped (it is in another state now); 12 left.”"""
        said = report(self.plan.action, self.plan.state, self.done, self.skipped, self.reasons)
        if not self.finished:
            said += f"; {'at least ' if self.plan.is_least else ''}{self.left:,} left"
        return f"{said}. {self.error}".rstrip()


@dataclass(slots=True)
class _Tally:
    done: int = 0
    skipped: dict[str, str] = field(default_factory=dict)
    is_through: bool = False
    on_step: Callable[[int], None] | None = None

    def add(self, step: Step) -> None:
        self.done += step.done
        self.skipped.update(step.skipped)
        if self.on_step is not None:
            self.on_step(self.done)


async def plan(
    connection: str, queue: str, action: str, state: State | str, grace_ms: int = 0, before_ms: int | None = None
) -> Plan:
    """Count what `action` would touch and freeze it: what comes, or fails, later is not meant. Changes nothing.

    `grace_ms` spares the younger; `before_ms` takes an earlier plan up again. Raises InvalidInput.
    """
    known = _checked(action, state)
    if grace_ms < 0:
        raise InvalidInput(_("The age cannot be negative."))
    now = now_ms()
    before = now - grace_ms if before_ms is None else min(before_ms, now)
    counted = await counting.count(connection, queue, action, known, before)
    sentence = question(action, known, counted, grace_ms)
    return Plan(connection, queue, action, known, counted.count, before, sentence, counted.is_least, counted.total)


async def run(
    actor: Actor, plan: Plan, budget_s: float = 5.0, on_step: Callable[[int], None] | None = None
) -> Progress:
    """Work on the plan for at most `budget_s`, never touching more jobs than it counted; one audit row per call.

    `on_step` hears how many were touched so far. Two runs at once share the jobs: each job is touched once. Raises only
    where nothing was done at all.
    """
    parameters = {"state": plan.state.value, "before_ms": plan.before_ms, "count": plan.count}
    action = f"queue.{plan.action.replace('-', '_')}"
    deed = Deed(actor, action, plan.connection, plan.queue, parameters=parameters)
    return await record(deed, lambda: _run(deed, plan, time.monotonic() + budget_s, on_step), _ending)


async def _run(deed: Deed, plan: Plan, deadline: float, on_step: Callable[[int], None] | None) -> Progress:
    tally = _Tally(on_step=on_step)
    try:
        await _work(deed, plan, tally, deadline)
        left = 0 if tally.is_through else await _left(plan, tally)
    except TorilError as error:
        if not tally.done:
            raise
        left = max(0, plan.count - tally.done - len(tally.skipped))
        return _progress(plan, tally, left, str(error))
    return _progress(plan, tally, left)


async def _work(deed: Deed, plan: Plan, tally: _Tally, deadline: float) -> None:
    pace = Pace(await _latency_s(plan.connection))
    while not tally.is_through:
        done_before = tally.done
        # Whoever stays is met again, and may go this time.
        tally.skipped.clear()
        ways = walks(plan.connection, plan.queue, plan.action, plan.state, plan.before_ms)
        for walk in ways:
            if not await _follow(walk, deed, plan, tally, pace, deadline):
                return
        # Removed is removed: what slipped past while workers moved the places gets another look. Retried jobs do not.
        looks_once = plan.action in ("retry-all", "promote-all")
        tally.is_through = looks_once or tally.done == done_before or not await _left(plan, tally)


async def _follow(walk: Walk, deed: Deed, plan: Plan, tally: _Tally, pace: Pace, deadline: float) -> bool:
    """Whether the walk came to its end, rather than to that of the time or of the consent."""
    while True:
        most = _allowed(plan, tally)
        tally.is_through = most <= 0
        if tally.is_through or deed.is_unwanted or time.monotonic() >= deadline:
            return False
        with pace.chunk(pace.size, walk.trips):
            step = await walk.step(pace.size, most)
        tally.add(step)
        step.check()
        if step.is_last:
            return True
        await pace.rest()


def _allowed(plan: Plan, tally: _Tally) -> int:
    """How many more may be touched: consent was given to a number."""
    return 10**9 if plan.is_least else plan.count - tally.done


async def _left(plan: Plan, tally: _Tally) -> int:
    counted = await counting.count(plan.connection, plan.queue, plan.action, plan.state, plan.before_ms)
    elsewhere = REASONS[NOT_IN_STATE]
    stuck = sum(1 for reason in tally.skipped.values() if reason != elsewhere)
    return max(0, min(counted.count - stuck, _allowed(plan, tally)))


async def _latency_s(connection: str) -> float:
    if is_in_process():
        return 0.0
    on = wire(connection)
    await on.connect()
    began = time.perf_counter()
    await on.connect()
    return time.perf_counter() - began


def _progress(plan: Plan, tally: _Tally, left: int, error: str = "") -> Progress:
    # Whoever is neither done nor left could not be touched, or went elsewhere before this run came to it.
    skipped = len(tally.skipped) if plan.is_least else plan.count - tally.done - left
    reasons = tuple(reason for reason, _ in Counter(tally.skipped.values()).most_common(MOST_REASONS))
    return Progress(tally.done, skipped, left, not left and not error, plan, error, reasons)


def _ending(progress: Progress) -> Ending:
    outcome = Outcome.FAILED if progress.error else Outcome.DONE
    return Ending(outcome, progress.sentence, progress.done)


def _checked(action: str, state: State | str) -> State:
    if action not in BULK_ACTIONS:
        raise InvalidInput(_("There is no action “%(action)s” for many jobs.") % {"action": action})
    if action == "drain":
        return State.WAITING
    known = parse_state(state)
    if known is None:
        raise InvalidInput(_("There is no state “%(state)s”.") % {"state": state})
    if known not in BULK_ACTIONS[action]:
        raise InvalidInput(_("%(label)s jobs cannot be %(what)s.") % {"label": known.label, "what": VERBS[action][1]})
    return known
