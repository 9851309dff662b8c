"""Sample of the scan service: one site, checked in a thread. It calls nothing outside."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from queues.systems.faults import HTTPError, ValidationError, share, strike
from queues.systems.sample import sample
from queues.systems.steps import line, step_in_thread

CHECKS = {
    "headers": ("Content-Security-Policy is missing", "Strict-Transport-Security is below six months"),
    "certificates": ("the certificate ends in 12 days", "TLS 1.0 is still offered"),
    "links": ("3 links are broken", "a form posts to http://"),
}


@sample("scan")
def scan(job: Any) -> dict[str, Any]:
    """A sample: resolves a site, runs three groups of checks and counts what they find."""
    host = urlsplit(job.data["url"]).hostname
    if host is None:
        raise ValidationError(f"{job.data['url']!r} names no host")
    step_in_thread(job, "resolve", 5, 0.1, f"resolving {host}")
    strike(
        job,
        TimeoutError(f"{host} did not answer within 20 s"),
        HTTPError(403, "Forbidden", host),
        ValidationError(f"{host} resolves to a private address"),
    )
    findings = []
    for number, (check, possible) in enumerate(CHECKS.items(), 1):
        step_in_thread(job, check, 30 * number, 0.5, f"checking {check}")
        for finding in possible:
            if share(job.id, finding) < 0.4:
                job.log(line("WARN", finding))
                findings.append({"check": check, "finding": finding})
    return {"scanId": job.data["scanId"], "findings": findings, "score": 100 - 12 * len(findings)}
