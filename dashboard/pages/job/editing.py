"""A job's data in an editor: checked as it is typed, the difference shown before it is saved, nothing overwritten that
somebody else has changed. What is saved is the text as it was typed; what is masked stays what it is.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, replace
from typing import Any

from django.http import HttpResponse, QueryDict
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext as _

from dashboard import fitting, json_text, links, veiled
from dashboard.difference import Line, as_text, difference
from dashboard.drawing import render
from dashboard.errors import wants_fragment
from dashboard.grants import Grants
from dashboard.json_text import Mistake
from dashboard.pages.job.acts import Address
from dashboard.pages.job.context import shown
from dashboard.pages.shell import ways_back
from dashboard.pages.shell.frame import frame, go, partial, swap, visible
from dashboard.request import Request
from dashboard.veiled import Veil
from queues.actions import altering, jobs, undo
from queues.actions.audit import Done
from queues.actions.revealing import reveal_data
from queues.errors import InvalidInput, Refused, TorilError
from queues.lookups.editable import Editable, editable, require_fit
from queues.lookups.jobs import job_detail
from queues.lookups.snapshot import refresh, snapshot
from queues.masking import mask_json
from queues.protocol.codec import raw
from queues.protocol.moving import Changed
from queues.states import JOB_ACTIONS, State


@dataclass(frozen=True, slots=True)
class Checked:
    """What is known of a typed text: `data` is what would be stored (None where it cannot be), `lines` what changes."""

    typed: str
    data: str | None = None
    mistake: Mistake | None = None
    lines: list[Line] = field(default_factory=list)
    misfits: list[str] = field(default_factory=list)
    is_same: bool = False

    @property
    def seen(self) -> str:
        """By what a save proves that just this difference was shown."""
        return hashlib.sha256(self.typed.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def check(typed: str, veil: Veil, stored: str, queue: str, name: str) -> Checked:
    typed = typed.replace("\r\n", "\n").replace("\r", "\n")
    found = veiled.unveil(typed, veil)
    problem = found if isinstance(found, Mistake) else json_text.mistake(typed) or json_text.mistake(found)
    if problem is not None or isinstance(found, Mistake):
        return Checked(typed, mistake=problem)
    lines = difference(veil.shown, json_text.laid_out(typed))
    # Of what is masked only the marks are compared: “nothing changed” would tell that a guess is right.
    is_same = json_text.is_same(typed, veil.shown) if veil.is_veiled else json_text.is_same(found, stored)
    misfits = _misfits(queue, name, found, typed, veil)
    return Checked(typed, found, lines=lines, misfits=misfits, is_same=is_same)


def _misfits(queue: str, name: str, found: str, typed: str, veil: Veil) -> list[str]:
    """Libraries quote what does not fit, in spellings of their own: of what is masked only the place is told, unless
    the same is said of the mask itself.
    """
    said = fitting.mistakes(queue, name, found)
    if not (said and veil.is_veiled):
        return said
    harmless = set(fitting.mistakes(queue, name, veiled.with_masks(typed)))
    return [one if one in harmless else _place_alone(one) for one in said]


def _place_alone(said: str) -> str:
    place, colon, _words = said.partition(": ")
    # A message without a place begins with the value.
    is_place = bool(colon) and not re.search(r"[\s'\"]", place)
    return _("%(place)s: does not fit") % {"place": place} if is_place else _("It does not fit.")


# --- opening it


async def opened(at: Address, query: QueryDict, reveals: bool = False) -> dict[str, Any]:
    """The context of acting/edit.html. Raises JobNotFound, InvalidInput for data that is too large, Forbidden."""
    for needed in ("job.edit", "job.payload"):
        at.grants.require(needed)
    found = await editable(at.connection, at.queue, at.job_id)
    require_fit(found)
    if reveals:
        await revealed_for(at, "edit")
    veil = veiled.veil(found.data, reveals)
    if veil.is_closed:
        raise InvalidInput(_("Its masked values cannot be told from what surrounds them: reveal them to edit it."))
    return _context(at, found, veil, Checked(veil.shown, found.data, is_same=True)) | _fields(found, veil, query)


async def revealed_for(at: Address, form: str) -> None:
    """Recorded before anything is shown. Raises Forbidden."""
    at.grants.require("job.reveal")
    await reveal_data(*at.job, form)


def _context(at: Address, found: Editable, veil: Veil, checked: Checked) -> dict[str, Any]:
    may_retry = found.state in JOB_ACTIONS["retry"] and at.grants.may("job.retry")
    if found.state is State.COMPLETED:
        may_retry = may_retry and at.grants.may("job.retry-completed")
    return {
        "panel": "acting/edit.html",
        "found": found,
        "veil": veil,
        "revealed": proof(at.grants, at.connection, found) if shows_secrets(veil) else "",
        "checked": checked,
        "may_retry": may_retry,
        "known": fitting.known(found.queue, found.name),
    }


def _fields(found: Editable, veil: Veil, query: QueryDict) -> dict[str, Any]:
    """The form of the data's type, where one is known, fits what is there, and nothing is masked in it."""
    known, members = fitting.known(found.queue, found.name), json_text.members(found.data)
    if known is None or members is None or veil.is_veiled:
        return {}
    asked = fitting.fields(known, members)
    return {"can_fields": bool(asked), "fields": asked if query.get("as") == "fields" else []}


# --- its buttons


async def act(request: Request, at: Address) -> HttpResponse:
    """`step`: check (as one types), format, show (the difference), save, retry (save and retry)."""
    for needed in ("job.edit", "job.payload"):
        at.grants.require(needed)
    form, step = request.POST, request.GET.get("step") or request.POST.get("step", "show")
    found = await editable(at.connection, at.queue, at.job_id)
    require_fit(found)
    veil = veiled.veil(found.data, is_revealed(form, at.grants, at.connection, found))
    checked = check(_typed(form, found), veil, found.data, found.queue, found.name)
    context = _context(at, found, veil, checked) | {"sealed": form.get("sealed", found.mark)}
    if step == "check":
        return render(request, "acting/check.html", context)
    if step == "format":
        return await _again(
            request, at, context | {"checked": replace(checked, typed=json_text.laid_out(checked.typed))}
        )
    if form.get("sealed") != found.mark:
        words = _(
            "The job’s data was changed while you edited it. Below is what your text changes in what stands there now."
        )
        return await _again(request, at, context | {"sealed": found.mark, "warning": words})
    is_seen = form.get("seen") == checked.seen
    is_fit = not checked.misfits or form.get("anyway") == "1"
    if step not in ("save", "retry") or not is_seen or checked.data is None or checked.is_same or not is_fit:
        return await _again(request, at, context)
    return await _save(request, at, found, checked, context, with_retry=step == "retry")


def shows_secrets(veil: Veil) -> bool:
    return not veil.is_veiled and mask_json(veil.shown) != veil.shown


def is_revealed(form: QueryDict, grants: Grants, connection: str, found: Editable) -> bool:
    """Whether the form was opened with its secrets shown, by somebody who may: only then it was recorded."""
    given = form.get("revealed", "")
    return bool(given) and grants.may("job.reveal") and constant_time_compare(given, proof(grants, connection, found))


def proof(grants: Grants, connection: str, found: Editable) -> str:
    """What a form carries whose opening was recorded: for this person and what is stored now alone."""
    told = "\0".join((str(grants.actor.user_id), connection, found.queue, found.job_id, found.seal))
    return salted_hmac("toril.revealed", told.encode("utf-8", "surrogatepass"), algorithm="sha256").hexdigest()


def _typed(form: QueryDict, found: Editable) -> str:
    """The editor's text, or what the form of fields makes of it."""
    if form.get("as") != "fields":
        return form.get("data", "")
    members, known = json_text.members(found.data) or {}, fitting.known(found.queue, found.name)
    asked = fitting.fields(known, members) if known else []
    given = {one.name: form.get(f"f.{one.name}", "") for one in asked}
    return json_text.laid_out(fitting.composed(given, members, asked))


async def _save(
    request: Request, at: Address, found: Editable, checked: Checked, context: dict[str, Any], *, with_retry: bool
) -> HttpResponse:
    if with_retry:
        at.grants.require("job.retry-completed" if found.state is State.COMPLETED else "job.retry")
    data = raw(checked.data or "")
    told = as_text(difference(mask_json(json_text.laid_out(found.data)), mask_json(json_text.laid_out(checked.typed))))
    try:
        done = await altering.edit_data(*at.job, data, found.seal, told)
    except Changed as error:
        return await _again(request, at, context | {"warning": str(error)})
    except Refused as error:
        return await _after(request, at, Done(str(error)), "bad")
    if not with_retry:
        return await _after(request, at, done)
    return await _after(request, at, *await _retried(at, done))


async def _retried(at: Address, edited: Done) -> tuple[Done, str]:
    try:
        retried = await jobs.retry_job(*at.job)
    except TorilError as error:
        return replace(edited, message=f"{edited.message} {error}"), "bad"
    both = await undo.chain(at.connection, "job.edit", at.queue, at.job_id, [edited.undo, retried.undo])
    return Done(f"{edited.message} {retried.message}", retried.state, undo=both), "done"


async def _after(request: Request, at: Address, done: Done, kind: str = "done") -> HttpResponse:
    way = ways_back.way_back(done.undo, at.connection, at.queue, at.job_id)
    await refresh(at.connection, [at.queue])
    if not wants_fragment(request):
        here = links.job_url(at.connection, at.queue, at.job_id)
        return go(request, here, done.message, ways_back.tags(kind, way))
    context = await shown(await job_detail(at.connection, at.queue, at.job_id))
    response = swap(request, "job/job.html", context, done.message, kind, way=way)
    response.write(partial("panel", "", "innerHTML"))
    return response


async def _again(request: Request, at: Address, context: dict[str, Any]) -> HttpResponse:
    """The editor with what was typed, and what is to be said of it."""
    context |= {"is_again": True}
    if wants_fragment(request):
        response = render(request, "acting/edit.html", await _around(at) | context)
        response["HX-Retarget"], response["HX-Reswap"] = "#panel", "innerHTML"
        return response
    around = visible(request, await snapshot(at.connection))
    return render(request, "job/page.html", frame(around, here=at.queue, **await _around(at), **context))


async def _around(at: Address) -> dict[str, Any]:
    return await shown(await job_detail(at.connection, at.queue, at.job_id))
