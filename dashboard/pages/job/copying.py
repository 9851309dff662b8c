"""Adding a job by hand: an empty form, one filled from another job, or a duplicate of one. What is masked in the job
that it begins with is taken from what is stored, never from the mask.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from django.http import HttpResponse, QueryDict
from django.utils.translation import gettext as _

from dashboard import fitting, json_text, links, veiled
from dashboard.drawing import render
from dashboard.errors import wants_fragment
from dashboard.grants import Grants
from dashboard.pages.job.acts import Address
from dashboard.pages.job.editing import Checked, check, is_revealed, proof, revealed_for, shows_secrets
from dashboard.pages.job.options import OptionsForm, defaults_in_words
from dashboard.pages.shell import ways_back
from dashboard.pages.shell.frame import frame, go, visible
from dashboard.request import Request
from dashboard.veiled import Veil
from queues.actions.adding import Added, add_text, copied_options
from queues.errors import InvalidInput, JobNotFound, Refused
from queues.lookups.editable import Editable, editable, require_fit
from queues.lookups.examples import Example, examples
from queues.lookups.snapshot import refresh, snapshot
from queues.processors import registry

EMPTY = "{\n  \n}"


@dataclass(frozen=True, slots=True)
class Draft:
    """A job about to be added: what the form began with and what it holds now."""

    connection: str
    queue: str
    grants: Grants
    source: Editable | None
    veil: Veil

    @property
    def may_read(self) -> bool:
        return self.source is None or self.grants.may("job.payload")


async def _draft(
    connection: str, queue: str, grants: Grants, source: str, *, reveals: bool = False, form: QueryDict | None = None
) -> Draft:
    """Raises JobNotFound, InvalidInput where the source is too large for a form."""
    if not source:
        return Draft(connection, queue, grants, None, Veil(EMPTY))
    found = await editable(connection, queue, source)
    require_fit(found)
    may_read = grants.may("job.payload")
    shows = reveals or (form is not None and is_revealed(form, grants, connection, found))
    veil = veiled.veil(found.data, shows) if may_read else Veil("")
    if veil.is_closed:
        raise InvalidInput(_("Its masked values cannot be told from what surrounds them: reveal them first."))
    return Draft(connection, queue, grants, found, veil)


# --- opening it


async def opened(at: Address, query: QueryDict, reveals: bool = False) -> dict[str, Any]:
    """On a job's page: a duplicate of it, with its options and without its id."""
    at.grants.require("job.duplicate")
    if reveals:
        at.grants.require("job.payload")
        await revealed_for(at, "duplicate")
    draft = await _draft(at.connection, at.queue, at.grants, at.job_id, reveals=reveals)
    return await _context(draft, query, is_duplicate=True)


async def opened_new(request: Request, connection: str, queue: str) -> dict[str, Any]:
    """On a queue's page: empty, or begun with the job that `from` names."""
    grants = request.grants.on(queue)
    grants.require("job.add")
    draft = await _draft(connection, queue, grants, request.GET.get("from", ""))
    return await _context(draft, request.GET)


async def _context(draft: Draft, query: QueryDict, *, is_duplicate: bool = False) -> dict[str, Any]:
    source = draft.source
    name = source.name if source else query.get("name", "")
    options = OptionsForm.of(copied_options(source.opts)) if source else OptionsForm()
    checked = Checked(draft.veil.shown, source.data if source else None, is_same=True)
    context = await _drawn(draft, name, options, checked, is_duplicate)
    known = context["known"]
    members = json_text.members(source.data) if source else {}
    if known is not None and members is not None and not draft.veil.is_veiled:
        asked = fitting.fields(known, members)
        # Without an example there is nothing to read: the fields are the nearer way.
        wanted = query.get("as") or ("fields" if source is None else "json")
        context |= {"can_fields": bool(asked), "fields": asked if wanted == "fields" else []}
    return context


async def _drawn(draft: Draft, name: str, options: OptionsForm, checked: Checked, is_duplicate: bool) -> dict[str, Any]:
    recent, source = await examples(draft.connection, draft.queue), draft.source
    return {
        "panel": "acting/add.html",
        "draft": draft,
        "name": name,
        "names": _names(draft.queue, recent),
        "examples": recent if not is_duplicate else [],
        "options": options,
        "checked": checked,
        "veil": draft.veil,
        "revealed": proof(draft.grants, draft.connection, source) if source and shows_secrets(draft.veil) else "",
        "is_duplicate": is_duplicate,
        "known": fitting.known(draft.queue, name),
        "defaults": defaults_in_words(draft.queue),
    }


def _names(queue: str, recent: list[Example]) -> list[str]:
    told = [name for name in registry.of(queue) if name]
    return sorted({*told, *(one.name for one in recent if one.name)})


# --- its buttons


async def act(request: Request, at: Address) -> HttpResponse:
    at.grants.require("job.duplicate")
    draft = await _draft(at.connection, at.queue, at.grants, at.job_id, form=request.POST)
    return await _act(request, draft, is_duplicate=True)


async def act_new(request: Request, connection: str, queue: str) -> HttpResponse:
    grants = request.grants.on(queue)
    grants.require("job.add")
    try:
        draft = await _draft(connection, queue, grants, request.POST.get("from", ""))
    except JobNotFound:
        raise Refused(_("The job that this form began with is gone; open it anew.")) from None
    return await _act(request, draft, is_duplicate=False)


async def _act(request: Request, draft: Draft, *, is_duplicate: bool) -> HttpResponse:
    """`step`: check (as one types), format, add."""
    form, source = request.POST, draft.source
    step = request.GET.get("step") or form.get("step", "add")
    name, stored = form.get("name", "").strip(), source.data if source else ""
    checked = Checked("", stored or "{}")
    if draft.may_read:
        checked = check(_typed(form, draft, name), draft.veil, stored, draft.queue, name)
    options = OptionsForm.given(form)
    context = await _drawn(draft, name, options, checked, is_duplicate)
    if step == "check":
        return render(request, "acting/check.html", context)
    if step == "format":
        context["checked"] = replace(checked, typed=json_text.laid_out(checked.typed))
        return await _again(request, draft, context)
    if source and form.get("sealed") and form["sealed"] != source.mark:
        return await _again(
            request, draft, context | {"warning": _("The job you began with was changed since. Look again.")}
        )
    if checked.data is None or (checked.misfits and form.get("anyway") != "1"):
        return await _again(request, draft, context | {"is_tried": True})
    try:
        of = (draft.queue, source.job_id) if source and is_duplicate else None
        given = (draft.grants.actor, draft.connection, draft.queue, name, checked.data)
        added = await add_text(*given, options.read(), source=of)
    except (InvalidInput, Refused) as error:
        return await _again(request, draft, context | {"warning": str(error)})
    return await _after(request, draft, added)


def _typed(form: QueryDict, draft: Draft, name: str) -> str:
    if form.get("as") != "fields":
        return form.get("data", "")
    members = (json_text.members(draft.source.data) or {}) if draft.source else {}
    known = fitting.known(draft.queue, name) or fitting.known(draft.queue, form.get("known", ""))
    asked = fitting.fields(known, members) if known else []
    given = {one.name: form.get(f"f.{one.name}", "") for one in asked}
    return json_text.laid_out(fitting.composed(given, members, asked))


async def _after(request: Request, draft: Draft, added: Added) -> HttpResponse:
    await refresh(draft.connection, [draft.queue])
    way = ways_back.way_back(added.done.undo, draft.connection, draft.queue)
    here = links.job_url(draft.connection, draft.queue, added.id)
    return go(request, here, added.done.message, ways_back.tags("done" if added.is_new else "bad", way))


async def _again(request: Request, draft: Draft, context: dict[str, Any]) -> HttpResponse:
    context["is_again"] = True
    if wants_fragment(request):
        response = render(request, "acting/add.html", context)
        response["HX-Retarget"], response["HX-Reswap"] = "#panel", "innerHTML"
        return response
    around = visible(request, await snapshot(draft.connection))
    return render(request, "acting/page.html", frame(around, here=draft.queue, queue_name=draft.queue, **context))
