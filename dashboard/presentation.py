"""How the site's own settings present queues and jobs: `TORIL["DASHBOARD"]`, and the functions that it names.

A function of the project may fail or answer anything; a page is drawn all the same, as if it had not been named.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import quote, urlsplit

import structlog
from django.utils.module_loading import import_string

from queues.models import Job
from queues.options import Dashboard, get_options

log = structlog.get_logger("toril.web")
LONGEST_ADDRESS = 4_000


@dataclass(frozen=True, slots=True)
class Outside:
    """A link from a job to another system."""

    href: str
    text: str


def dashboard_options() -> Dashboard:
    return get_options().dashboard


def external_link(job: Job) -> Outside | None:
    """Where `external_job_url` leads for this job: http, https, or an address on this site; None for nothing."""
    told = dashboard_options().external_url_of(job.queue)
    if not told:
        return None
    found: Any = _filled(told, job) if "/" in told else _called(told, job)
    href, label = (found.get("href"), found.get("text")) if isinstance(found, Mapping) else (found, None)
    if not isinstance(href, str) or not _leads_somewhere(href):
        return None
    return Outside(href, str(label) if label else urlsplit(href).hostname or href)


def formatted(queue: str, what: str, stored: str) -> str:
    """A job's data, return_value or progress (JSON text) or its name as the settings' formatter draws it."""
    path = dashboard_options().formatter_of(queue, what)
    if not path:
        return stored
    try:
        value = stored if what == "name" else json.loads(stored)
        shown = _function(path)(value)
        return str(shown) if what == "name" else json.dumps(shown, ensure_ascii=False)
    except Exception:
        log.exception("a formatter failed; what is stored is shown", formatter=path, queue=queue)
        return stored


def data_schema(queue: str) -> Mapping[str, object] | None:
    """The JSON Schema that the settings give for this queue's data; None for none."""
    told = dashboard_options().queue(queue).job_data_schema
    found = _called(told, queue) if isinstance(told, str) else told
    return found if isinstance(found, Mapping) else None


def _filled(template: str, job: Job) -> str:
    values = {"connection": job.connection, "queue": job.queue, "id": job.job_id, "name": job.name}
    for key, value in values.items():
        template = template.replace(f"{{{key}}}", quote(value.encode("utf-8", "replace"), safe=""))
    return template


def _called(path: str, argument: object) -> Any:
    try:
        return _function(path)(argument)
    except Exception:
        log.exception("a function of TORIL['DASHBOARD'] failed", function=path)
        return None


@cache
def _function(path: str) -> Callable[[Any], Any]:
    found: Callable[[Any], Any] = import_string(path)
    return found


def _leads_somewhere(href: str) -> bool:
    if len(href) > LONGEST_ADDRESS:
        return False
    return href.startswith(("https://", "http://")) or (href.startswith("/") and href[1:2] not in ("/", "\\"))
