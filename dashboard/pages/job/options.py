"""A new job's options as a form: read as the producer's options, drawn from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from dashboard.pages.job.acts import UNITS
from queues.errors import InvalidInput
from queues.producer.making import queue_defaults

KEEPS = ("", "remove", "all", "count", "age")
_HOUR_S = 3_600


@dataclass(frozen=True, slots=True)
class OptionsForm:
    """Every control's value, as text, by its name."""

    values: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> OptionsForm:
        """From options under Python's names, checked."""
        made: dict[str, str] = {}
        for name in ("priority", "attempts", "job_id"):
            if options.get(name):
                made[name] = str(options[name])
        if options.get("delay_ms"):
            made |= _span("delay", options["delay_ms"])
        backoff = options.get("backoff")
        if isinstance(backoff, Mapping):
            made |= {"backoff": str(backoff.get("type", ""))} | _span("backoff", int(backoff.get("delay") or 0))
        if options.get("lifo"):
            made["lifo"] = "1"
        for name in ("remove_on_complete", "remove_on_fail"):
            if name in options:
                made |= _keep(name, options[name])
        return cls(made)

    @classmethod
    def given(cls, form: QueryDict) -> OptionsForm:
        return cls({name: form.get(name, "").strip() for name in form})

    def __getitem__(self, name: str) -> str:
        """For templates: `options.priority`."""
        return self.values.get(name, "")

    def read(self) -> dict[str, Any]:
        """Options for the producer, which checks them. Raises InvalidInput naming the control."""
        made: dict[str, Any] = {}
        for name, words in (("priority", _("Priority")), ("attempts", _("Attempts"))):
            if self[name]:
                made[name] = _whole(self[name], words)
        if self["delay_amount"]:
            made["delay_ms"] = self._span("delay", _("Delay"))
        if self["backoff"]:
            made["backoff"] = {"type": self["backoff"][:40], "delay": self._span("backoff", _("Backoff"))}
        if self["job_id"]:
            made["job_id"] = self["job_id"]
        if self["lifo"]:
            made["lifo"] = True
        for name in ("remove_on_complete", "remove_on_fail"):
            if (kept := self._kept(name)) is not None:
                made[name] = kept
        if self["deduplication"]:
            ttl = {"ttl_ms": self._span("ttl", _("Deduplicate for"))} if self["ttl_amount"] else {}
            made["deduplication"] = {"id": self["deduplication"], **ttl}
        return made

    def _span(self, name: str, words: str) -> int:
        return _whole(self[f"{name}_amount"] or "0", words) * UNITS.get(self[f"{name}_unit"], 1_000)

    def _kept(self, name: str) -> Any:
        how, number = self[name], self[f"{name}_number"]
        if how in ("count", "age"):
            whole = _whole(number, _("How many are kept"))
            return whole if how == "count" else {"age": whole * _HOUR_S}
        return {"remove": True, "all": False}.get(how)


def defaults_in_words(queue: str) -> str:
    """What a job gets that is told nothing else: “3 attempts, exponential backoff 1 s”."""
    told = OptionsForm.of(queue_defaults(queue)).values
    parts = [_("%(n)s attempts") % {"n": told["attempts"]}] if "attempts" in told else []
    if "backoff" in told:
        span = f"{told.get('backoff_amount', '0')} {told.get('backoff_unit', 's')}"
        parts.append(_("%(kind)s backoff %(span)s") % {"kind": told["backoff"], "span": span})
    return ", ".join(parts)


def _whole(text: str, words: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise InvalidInput(_("%(words)s: “%(text)s” is no whole number.") % {"words": words, "text": text[:40]})
    return int(text)


def _span(name: str, ms: int) -> dict[str, str]:
    unit, size = next(((u, s) for u, s in reversed(list(UNITS.items())) if ms and ms % s == 0), ("s", 1_000))
    return {f"{name}_amount": str(round(ms / size) if ms % size else ms // size), f"{name}_unit": unit}


def _keep(name: str, value: Any) -> dict[str, str]:
    if value is True:
        return {name: "remove"}
    if isinstance(value, int) and not isinstance(value, bool):
        return {name: "count", f"{name}_number": str(value)}
    if isinstance(value, Mapping) and value.get("age"):
        return {name: "age", f"{name}_number": str(max(1, int(value["age"]) // _HOUR_S))}
    return {name: ""}
