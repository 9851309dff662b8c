"""System C: a message is taken at once and answered later. Notify, then fetch: `/api/messages/<id>` is the fetch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard.request import Request
from dashboard.systems import asking
from dashboard.systems.adding import add, new_id
from dashboard.systems.models import Message, ResearchState, Status
from dashboard.systems.settling import settle
from queues.errors import NotFound

LONGEST_MESSAGE, LONGEST_CONVERSATION = 20_000, 100
KNOWN = ("message", "conversationId")


@asking.whole
async def ask(request: Request, queue: str, fields: Mapping[str, Any]) -> Message:
    """Take a message for `chat` or `deep-research`. A conversation is of whoever began it."""
    text = asking.text_of(fields, "message", LONGEST_MESSAGE)
    conversation = asking.text_of(fields, "conversationId", LONGEST_CONVERSATION, "") or str(uuid4())
    others = Message.objects.filter(conversation_id=conversation).exclude(owner=request.identity.caller)
    if await others.aexists():
        raise NotFound(_("You have no conversation “%(id)s”.") % {"id": conversation})
    row = Message(queue=queue, job_id=new_id(), owner=request.identity.caller, conversation_id=conversation, text=text)
    data = {
        "conversationId": conversation,
        "messageId": str(row.message_id),
        "message": text,
        "authMethod": asking.method_of(request),
        "requestedAt": asking.moment(timezone.now()),
        **asking.own_of(request),
    }
    await add(request, row, queue, data)
    return row


async def _take(request: Request, queue: str) -> HttpResponse:
    fields = asking.fields_of(request)
    asking.require_known(fields, KNOWN)
    row = await ask(request, queue, fields)
    message_id = str(row.message_id)
    body = {"jobId": row.job_id, "conversationId": row.conversation_id, "messageId": message_id}
    return asking.told(body, 202, f"/api/messages/{message_id}")


async def _chat(request: Request) -> HttpResponse:
    return await _take(request, "chat")


async def _research(request: Request) -> HttpResponse:
    return await _take(request, "deep-research")


async def _fetch(request: Request, message_id: UUID) -> HttpResponse:
    row = await Message.objects.filter(message_id=message_id, owner=request.identity.caller).afirst()
    if row is None:
        raise NotFound(_("You have no message “%(id)s”.") % {"id": message_id})
    await settle([row])
    return asking.told(shown(row))


async def own(request: Request, limit: int, offset: int, conversation: str = "") -> list[Message]:
    """The newest first, as their jobs are now."""
    mine = Message.objects.filter(owner=request.identity.caller).order_by("-pk")
    if conversation:
        mine = mine.filter(conversation_id=conversation)
    rows = [row async for row in mine[offset : offset + limit]]
    await settle(rows)
    return rows


async def _listed(request: Request) -> HttpResponse:
    limit, offset = asking.page_of(request)
    rows = await own(request, limit, offset, request.GET.get("conversationId", ""))
    return asking.told({"messages": [shown(row) for row in rows], "limit": limit, "offset": offset})


async def _state(request: Request, state_id: UUID) -> HttpResponse:
    found = await ResearchState.objects.filter(pk=state_id, owner=request.identity.caller).afirst()
    if found is None:
        raise NotFound(_("You have no state “%(id)s”.") % {"id": state_id})
    at = asking.moment(found.updated_at)
    return asking.told(
        {"id": str(found.pk), "conversationId": found.conversation_id, "state": found.state, "updatedAt": at}
    )


def shown(row: Message) -> dict[str, Any]:
    """The message as programs know it."""
    result = row.result if isinstance(row.result, dict) else {}
    told = {
        "id": str(row.message_id),
        "conversationId": row.conversation_id,
        "jobId": row.job_id,
        "kind": row.queue,
        "status": row.status,
        "message": row.text,
        "answer": row.answer or result.get("answer") or result.get("report"),
        "createdAt": asking.moment(row.created_at),
        "completedAt": asking.moment(row.completed_at),
    }
    return told | ({"errorMessage": row.error_message} if row.status == Status.FAILED else {})


chat = asking.entry(POST=_chat)
research = asking.entry(POST=_research)
message = asking.entry(GET=_fetch)
messages = asking.entry(GET=_listed)
state = asking.entry(GET=_state)
