"""Which jobs of a queue a page shows: the address ⇄ a value. Bad input narrows nothing and is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

from django.http import QueryDict
from django.utils.translation import gettext as _

from dashboard import links
from dashboard.choices import choices_of
from dashboard.grants import Grants
from dashboard.pages.listing.columns import Columns, chosen, kept_choice
from dashboard.pages.listing.filtering import read_filter, written
from dashboard.request import Request
from queues.actions.selected import ACTIONS
from queues.lookups.filters import SORTS, Filter
from queues.models import Queue
from queues.options import get_options
from queues.protocol.reads.scan import Place
from queues.states import JOB_ACTIONS, LISTED, State, parse_state

MOST_PER_PAGE = 300
SIZES = (25, 50, 100, 300)
LATEST = "latest"
REVERSE = "reverse"


@dataclass(frozen=True, slots=True)
class Listing:
    """`status` is the state listed; of `is_latest`, which mixes all of them, only where others are led back to.

    `sort` is "" for Redis's own order, `reverse` for its reverse, else a column, with `-` before it for descending.
    """

    status: State
    page: int = 1
    per_page: int = 50
    complaints: tuple[str, ...] = ()
    is_latest: bool = False
    sort: str = ""
    filter: Filter = field(default_factory=Filter)
    after: Place | None = None
    #: As the address names them, None where it names none; `columns` are those that hold.
    named_columns: tuple[str, ...] | None = None
    columns: Columns | None = None
    may_read: bool = True
    may_reveal: bool = False
    #: What this person may do to the jobs listed, as far as it makes sense in their state.
    doable: tuple[str, ...] = ()
    #: The person's key, None for a program's.
    who: int | None = None
    default_size: int = 50

    @classmethod
    def of(cls, request: Request, queue: Queue) -> Listing:
        """What this request asks for, with what this browser chose and this person may."""
        can = request.grants.on(queue.name)
        may_read = can.may("job.payload")
        asked = cls.read(request.GET, queue, may_read, choices_of(request).rows)
        kept = kept_choice(request.COOKIES)
        tab = LATEST if asked.is_latest else asked.status.value
        named = asked.named_columns if asked.named_columns is not None else kept.get(tab)
        doable = () if asked.is_latest else tuple(do for do in ACTIONS if may_do(can, do, asked.status))
        may_reveal, who = can.may("job.reveal"), can.actor.user_id
        return replace(asked, columns=chosen(tab, named, may_read), may_reveal=may_reveal, doable=doable, who=who)

    @classmethod
    def read(cls, query: QueryDict, queue: Queue, may_read: bool = True, rows: int = 0) -> Listing:
        """From Bull Board's names and ours (`jobsPerPage`, `per_page`)."""
        complaints: list[str] = []
        status = _status(query.get("status", ""), queue, complaints)
        page = _number("page", query.get("page", ""), 1, 10**12, 1, complaints)
        size = query.get("jobsPerPage") or query.get("per_page") or ""
        default = rows or get_options().dashboard.jobs_per_page
        is_latest = query.get("status") == LATEST
        found = cls(
            status,
            page,
            _number("jobsPerPage", size, 1, MOST_PER_PAGE, default, complaints),
            is_latest=is_latest,
            sort="" if is_latest else _sort(query.get("sort", ""), may_read, complaints),
            filter=Filter() if is_latest else read_filter(query, complaints, may_read),
            after=_place(query.get("after", ""), complaints),
            named_columns=_columns(query),
            may_read=may_read,
            default_size=default,
        )
        # Nothing is searched where nothing is asked for, so there is no place to go on from.
        return replace(found, complaints=tuple(complaints), after=found.after if found.is_scanned else None)

    @property
    def tab(self) -> str:
        return LATEST if self.is_latest else self.status.value

    @property
    def is_scanned(self) -> bool:
        """Whether Redis must be searched for this: it keeps one order only, and no index."""
        return not self.filter.is_empty or self.sort not in ("", REVERSE)

    @property
    def is_reversed(self) -> bool:
        return self.sort == REVERSE

    @property
    def sort_column(self) -> str:
        return "" if self.sort == REVERSE else self.sort.removeprefix("-")

    def url(self, queue: Queue, more: dict[str, object] | None = None) -> str:
        return links.queue_url(queue.connection, queue.name, **self.query | (more or {}))

    def on(self, page: int, per_page: int | None = None) -> Listing:
        return replace(self, page=page, per_page=per_page or self.per_page)

    def sorted_by(self, sort: str) -> Listing:
        return replace(self, sort=sort, page=1, after=None)

    def at(self, after: Place | None) -> Listing:
        return replace(self, after=after, page=1)

    @property
    def unfiltered(self) -> Listing:
        return replace(self, filter=Filter(), page=1, after=None)

    @property
    def said(self) -> Mapping[str, str]:
        """The filter as its form writes it."""
        return written(self.filter)

    @property
    def kept_by_filter(self) -> list[tuple[str, object]]:
        """What the filter's form says beside its own fields."""
        return list(self.unfiltered.query.items())

    @property
    def kept_by_columns(self) -> list[tuple[str, object]]:
        return [(name, value) for name, value in self.query.items() if name != "columns"]

    @property
    def query(self) -> dict[str, object]:
        """What an address must say to lead here again; defaults are left out."""
        named: dict[str, object] = {"status": self.tab}
        if self.page != 1:
            named["page"] = self.page
        if self.per_page != self.default_size:
            named["jobsPerPage"] = self.per_page
        if self.sort:
            named["sort"] = self.sort
        named |= written(self.filter)
        if self.after:
            named["after"] = str(self.after)
        if self.named_columns is not None:
            named["columns"] = ",".join(self.named_columns)
        return named

    @property
    def back(self) -> str:
        """The same as text, for a form that comes back here."""
        return urlencode(self.query)


def may_do(can: Grants, do: str, state: State) -> bool:
    return state in JOB_ACTIONS[do] and can.may(needed(do, state))


def needed(do: str, state: State) -> str:
    """The action whose grant it needs: completed jobs may be kept from being run again."""
    return "job.retry-completed" if do == "retry" and state is State.COMPLETED else f"job.{do}"


def first_with_jobs(queue: Queue) -> State:
    return next((state for state in LISTED if queue.count(state)), State.WAITING)


def _status(text: str, queue: Queue, complaints: list[str]) -> State:
    if text in ("", LATEST):
        return first_with_jobs(queue)
    state = parse_state(text)
    if state is None:
        state = first_with_jobs(queue)
        complaints.append(
            _("There is no state “%(text)s”; these are the %(state)s jobs.")
            % {"text": text[:60], "state": state.label.lower()}
        )
    return state


def _number(name: str, text: str, least: int, most: int, default: int, complaints: list[str]) -> int:
    if not text:
        return default
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else None
    if number is None or not least <= number <= most:
        complaints.append(
            _("“%(text)s” is no number for %(name)s; it counts as %(default)s.")
            % {"text": text[:60], "name": name, "default": default}
        )
        return default
    return number


def _sort(text: str, may_read: bool, complaints: list[str]) -> str:
    if text in ("", REVERSE):
        return text
    sort = SORTS.get(text.removeprefix("-"))
    if sort is None:
        complaints.append(
            _("Jobs cannot be sorted by “%(text)s”; they stand in Redis's own order.") % {"text": text[:60]}
        )
        return ""
    if sort.is_payload and not may_read:
        complaints.append(_("Your account may not read what jobs hold, so nothing is sorted by it."))
        return ""
    return text


def _place(text: str, complaints: list[str]) -> Place | None:
    if not text:
        return None
    place = Place.read(text) if len(text) < 2_000 else None
    if place is None:
        complaints.append(_("“%(text)s” is no place to go on from; the search begins anew.") % {"text": text[:60]})
    return place


def _columns(query: QueryDict) -> tuple[str, ...] | None:
    """`columns=a,b` or, from a form, `columns=a&columns=b`."""
    if "columns" not in query:
        return None
    return tuple(name for value in query.getlist("columns") for name in value.split(",") if name)[:40]
