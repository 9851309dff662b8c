"""The flow that a job belongs to, as a tree. What lies in queues that the caller does not see is not in it."""

from __future__ import annotations

from typing import Any

from dashboard.api.board import asked
from dashboard.api.board.route import Call
from dashboard.api.board.written import Verbatim, as_stored
from dashboard.grants import Grants
from queues.lookups.trees import Node, root_of, tree
from queues.lookups.wholes import whole_job
from queues.masking import mask_json, mask_text
from queues.models.local import is_in_process
from queues.protocol.reads import families
from queues.protocol.reads.families import Ref


async def flow(call: Call, queue: str, job_id: str) -> dict[str, Any]:
    """`root=node` begins with the job itself. Raises JobNotFound."""
    await whole_job(call.connection, queue, job_id)
    depth = asked.clamped(call.request, "depth", 10, 1, 20)
    most = asked.clamped(call.request, "maxChildren", 20, 1, 1000)
    if is_in_process():
        return _told(job_id, None, call.grants)
    root: Ref | None = families.at(call.connection, queue, job_id)
    if call.request.GET.get("root") != "node":
        root = await root_of(call.connection, queue, job_id, lambda ref: _may(call.grants, ref))
    found = await tree(call.connection, root, depth, most, lambda ref: _may(call.grants, ref)) if root else None
    return _told(job_id, found, call.grants)


def _may(grants: Grants, ref: Ref) -> bool:
    return ref.is_known and grants.sees(ref.queue, ref.connection)


def _told(job_id: str, root: Node | None, grants: Grants) -> dict[str, Any]:
    shown = None if root is None else _node(root, grants)
    return {"nodeId": job_id, "isFlowNode": bool(root and root.children), "flowRoot": shown}


def _node(node: Node, grants: Grants) -> dict[str, Any]:
    one, tally = node.member, node.member.tally
    told: dict[str, Any] = {
        "id": one.ref.id,
        "name": one.name,
        "progress": _progress(one.progress) if _reads(grants, one.ref) else 0,
        "state": one.state.value,
        "queueName": one.ref.queue,
        "children": [_node(child, grants) for child in node.children],
    }
    if node.is_truncated:
        told["truncated"] = True
    if tally.total:
        counts = {"unprocessed": tally.pending, "ignored": tally.ignored, "failed": tally.failed}
        told["dependencies"] = {"processed": tally.done, **counts}
    readable = {child.member.ref.key for child in node.children if _reads(grants, child.member.ref)}
    if reasons := {key: mask_text(reason) for key, reason in node.reasons.items() if key in readable}:
        told["ignoredChildFailureReasons"] = reasons
    return told


def _reads(grants: Grants, ref: Ref) -> bool:
    return grants.on(ref.queue, ref.connection).may("job.payload")


def _progress(stored: str) -> Any:
    return as_stored(mask_json(stored or "0")) or Verbatim("0")
