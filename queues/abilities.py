"""What a person may be allowed to do, and which action needs which of it: data that models, pages and actions ask."""

from __future__ import annotations

from collections.abc import Mapping

#: Ability → what Django's admin calls its permission, `toril.<ability>`.
ABILITIES: Mapping[str, str] = {
    "view": "Can see queues and jobs",
    "view_payload": "Can read what jobs carry: data, results, logs, errors",
    "reveal_secrets": "Can reveal masked secrets",
    "retry": "Can retry, promote and recover jobs",
    "edit": "Can edit jobs, their delay and priority",
    "add": "Can add and duplicate jobs",
    "remove": "Can remove, cancel and fail jobs",
    "pause": "Can pause and resume queues",
    "clean": "Can clean and empty queues",
    "obliterate": "Can obliterate queues",
    "limits": "Can change limits of queues",
    "schedulers": "Can change and run schedulers",
    "workers": "Can quiet, resume and stop workers",
    "triage": "Can resolve, ignore, assign, split and merge groups of failures",
    "keys": "Can make, rotate and revoke API keys of others and of services",
    "webhooks": "Can see, change and test webhooks, and redeliver what they sent",
    "alerts": "Can change, silence and test alerts",
    "view_audit": "Can read who did what",
}
#: The abilities that change nothing in Redis: read-only mode leaves them.
LOOKING = frozenset({"view", "view_payload", "reveal_secrets", "triage", "keys", "webhooks", "alerts", "view_audit"})
#: Action → the ability it needs. An action that is not here is nobody's.
ACTIONS: Mapping[str, str] = {
    "queue.view": "view",
    "job.view": "view",
    "search.save": "view",
    "search.forget": "view",
    "job.payload": "view_payload",
    "job.reveal": "reveal_secrets",
    "job.retry": "retry",
    "job.retry-completed": "retry",
    "job.promote": "retry",
    "job.recover": "retry",
    "queue.retry-all": "retry",
    "queue.promote-all": "retry",
    "job.edit": "edit",
    "job.reschedule": "edit",
    "job.reprioritize": "edit",
    "job.add": "add",
    "job.duplicate": "add",
    "job.remove": "remove",
    "job.move": "remove",
    "job.restore": "remove",
    "job.remove-children": "remove",
    "job.cancel": "remove",
    "job.fail": "remove",
    "job.clear-logs": "remove",
    "queue.pause": "pause",
    "queue.resume": "pause",
    "queue.clean": "clean",
    "queue.drain": "clean",
    "queue.obliterate": "obliterate",
    "metrics.purge": "obliterate",
    "queue.limits": "limits",
    "scheduler.run": "schedulers",
    "scheduler.add": "schedulers",
    "scheduler.edit": "schedulers",
    "scheduler.remove": "schedulers",
    "scheduler.pause": "schedulers",
    "scheduler.resume": "schedulers",
    "workers.quiet": "workers",
    "workers.resume": "workers",
    "workers.stop": "workers",
    "deploy.mark": "workers",
    "failure.resolve": "triage",
    "failure.ignore": "triage",
    "failure.reopen": "triage",
    "failure.assign": "triage",
    "failure.note": "triage",
    "failure.merge": "triage",
    "failure.split": "triage",
    "key.make": "keys",
    "key.rotate": "keys",
    "key.revoke": "keys",
    "webhook.make": "webhooks",
    "webhook.edit": "webhooks",
    "webhook.remove": "webhooks",
    "webhook.enable": "webhooks",
    "webhook.disable": "webhooks",
    "webhook.test": "webhooks",
    "webhook.redeliver": "webhooks",
    "webhook.rotate": "webhooks",
    "alert.make": "alerts",
    "alert.edit": "alerts",
    "alert.remove": "alerts",
    "alert.silence": "alerts",
    "alert.test": "alerts",
    "audit.view": "view_audit",
}
#: Ready-made groups. An operator does what can be put right again; who removes, reveals or stops is an admin.
ROLES: Mapping[str, tuple[str, ...]] = {
    "viewer": ("view", "view_payload"),
    "operator": tuple("view view_payload view_audit retry edit add pause limits schedulers triage".split()),
    "admin": tuple(ABILITIES),
}


def permission(ability: str) -> str:
    """Django's name of it: `toril.retry`."""
    return f"toril.{ability}"
