"""A search for programs: the language of the one box, over what the caller sees."""

from __future__ import annotations

from dashboard.api.v1.asking import Ask, asker
from dashboard.api.v1.job_shapes import Jobs, line
from dashboard.api.v1.paging import opened, sealed, strange
from dashboard.moments import now_ms
from dashboard.seeing import seen_by
from queues.lookups import search
from queues.lookups.crowd import few
from queues.lookups.search import Place, Seen
from queues.models.local import is_in_process
from queues.options.values import LOCAL_CONNECTION

#: A search's own place is opaque, and no longer than this.
LONGEST_PLACE = 400


async def searched(
    request: Ask, text: str, cursor: str | None, limit: int, queue: tuple[str, str] | None = None
) -> Jobs:
    """Newest first; of one queue alone where it is told. The cursor keeps the moment that `since:2h` counts from.

    Raises InvalidInput for what cannot be read, Busy where too many search, RedisUnavailable.
    """
    of = f"search:{queue}:{text}"
    at_ms, after = _place(opened(cursor, of))
    query = search.parse(text, at_ms)
    seen = await seen_by(request.grants)
    if queue is not None:
        seen = _only(seen, (LOCAL_CONNECTION if is_in_process() else queue[0], queue[1]))
    async with few(asker(request), "search"):
        page = await search.page(query, seen, after, limit)
    return Jobs(
        items=[line(row, request.grants) for row in page.jobs],
        next=sealed(of, at_ms, page.after) if page.after else None,
        total=page.total,
        is_least=page.is_least,
        lag_s=page.lag_s,
        searched=page.searched,
    )


def _place(told: list[object] | None) -> tuple[int, str | None]:
    if told is None:
        return now_ms(), None
    match told:
        case [int(at_ms), str(after)] if 0 < at_ms < 2**53 and len(after) <= LONGEST_PLACE:
            return at_ms, after
    raise strange()


def _only(seen: Seen, place: Place) -> Seen:
    return Seen(frozenset({place} if seen.sees(*place) else ()), frozenset({place} if seen.reads(*place) else ()))
