"""Flows: a parent that waits for its children, added with them in one transaction; and what became of the children."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from queues.errors import Refused
from queues.protocol import codec
from queues.protocol.adding import NewJob, add_job
from queues.protocol.commands import Command, call_script, command
from queues.protocol.connections import keys, prefix, wire
from queues.protocol.keys import Keys
from queues.protocol.refusals import refusal
from queues.protocol.results import Children


@dataclass(frozen=True, slots=True)
class NewFlow:
    """A checked job with the jobs it waits for. Every job has its `id`, every job but the root its `parent`."""

    queue: str
    job: NewJob
    children: tuple[NewFlow, ...] = ()

    def walk(self) -> Iterator[NewFlow]:
        """Parents before their children, as BullMQ adds them: a child is refused whose parent is not there."""
        yield self
        for child in self.children:
            yield from child.walk()


async def add_flows(connection: str, flows: Sequence[NewFlow]) -> None:
    """All of them in one transaction: while it runs, Redis does nothing else.

    Raises NotFound or Refused where BullMQ refused a job; the others are added then, as Redis rolls nothing back.
    """
    nodes = [node for flow in await _finished_last(connection, flows) for node in flow.walk()]
    asked = [add_job(keys(connection, node.queue), node.job, waits_for_children=bool(node.children)) for node in nodes]
    *_, replies = await wire(connection).run([command("MULTI"), *_with_sources(asked), command("EXEC")])
    refused = [_refusal(one, reply) for one, reply in zip(asked, replies, strict=True)]
    if error := next(filter(None, refused), None):
        raise error


def _with_sources(asked: Sequence[Command[Any]]) -> Iterator[Command[Any]]:
    """In a transaction nothing can be asked twice: the first call of each script carries its source."""
    known = set()
    for one in asked:
        assert one.script is not None  # noqa: S101  # add_job calls nothing else
        yield Command(one.args if one.script.sha in known else one.as_eval())
        known.add(one.script.sha)


def _refusal(asked: Command[str], reply: Any) -> Exception | None:
    if isinstance(reply, Exception):
        return refusal(str(reply))
    try:
        asked.read(reply)
    except Refused as error:
        return Refused(f"{error} The rest of its flow was added.")
    except Exception as error:
        return error
    return None


async def _finished_last(connection: str, flows: Sequence[NewFlow]) -> list[NewFlow]:
    """The same flows, with those children last that are completed already.

    The scripts release a parent as soon as it waits for nobody: a completed child, added first, would let it run before
    the others are there (PROTOCOL.md §5, last lines).
    """
    chosen = [
        (child.queue, child.job.id)
        for flow in flows
        for node in flow.walk()
        if len(node.children) > 1
        for child in node.children
        if "job_id" in child.job.options
    ]
    if not chosen:
        return list(flows)
    asked = [command("ZSCORE", keys(connection, queue)("completed"), job_id) for queue, job_id in chosen]
    scores = await wire(connection).run(asked, return_errors=True)
    completed = {at for at, score in zip(chosen, scores, strict=True) if isinstance(score, bytes)}
    return [_reordered(flow, completed) for flow in flows]


def _reordered(flow: NewFlow, completed: set[tuple[str, str]]) -> NewFlow:
    children = sorted(flow.children, key=lambda child: (child.queue, child.job.id) in completed)
    return NewFlow(flow.queue, flow.job, tuple(_reordered(child, completed) for child in children))


async def children(connection: str, queue: str, job_id: str) -> Children:
    """What became of the jobs that this one waits for."""
    key = keys(connection, queue).job(job_id)
    values, ignored, failed, pending = await wire(connection).run(
        [
            command("HGETALL", key + b":processed", read=codec.pairs),
            command("HGETALL", key + b":failed", read=codec.pairs),
            command("ZCARD", key + b":unsuccessful"),
            command("SCARD", key + b":dependencies"),
        ]
    )
    under = prefix(connection)
    return Children(_by_address(under, values), _by_address(under, ignored), failed, pending)


def _by_address(under: str, found: dict[bytes, bytes]) -> dict[tuple[str, str], str]:
    return {_address(under, key): codec.text(value) for key, value in found.items()}


def _address(under: str, key: bytes) -> tuple[str, str]:
    """(queue, job id) of a job's key. A child of another prefix keeps it as part of its queue's name."""
    whole = codec.text(key)
    queue, _, job_id = whole.removeprefix(f"{under}:").partition(":")
    return (queue, job_id) if whole.startswith(f"{under}:") else (whole, "")


async def remove_unprocessed_children(connection: str, queue: str, job_id: str) -> None:
    k = keys(connection, queue)
    asked: Command[Any] = call_script(
        "removeUnprocessedChildren", (k.job(job_id), k("meta")), (k.base, codec.raw(job_id))
    )
    await wire(connection).call(asked)


def spanned(connection: str, flows: Sequence[NewFlow]) -> set[bytes]:
    """The base keys of all queues that the flows touch, parents outside them included."""
    under = prefix(connection)
    queues = {node.queue for flow in flows for node in flow.walk()}
    queues |= {flow.job.parent.queue for flow in flows if flow.job.parent is not None}
    return {Keys(under, queue).base for queue in queues}
