"""Secrets in what jobs carry, found by name and by shape and shown as a mask. What is stored is never changed.

Linear in time, whatever the text holds. What it finds and what it cannot: docs/rights.md.
"""

from __future__ import annotations

from queues.masking.documents import json_spans, looks_like_json
from queues.masking.names import rules
from queues.masking.spans import MASK, replaced
from queues.masking.texts import text_spans

__all__ = ["MASK", "mask_json", "mask_text"]


def mask_text(text: str) -> str:
    """Free text (an error, a stack trace, a log line) with what is, or looks like, a secret replaced.

    Text that looks like JSON is masked as JSON first: whole or broken, what lies below a secret's name is hidden.
    """
    told = rules()
    if looks_like_json(text):
        text = replaced(text, list(json_spans(text, told)))
    return replaced(text, text_spans(text, told))


def mask_json(text: str) -> str:
    """JSON as text, every number and space as it was, with secret values replaced; what is no JSON is masked as text.

    It may be cut off anywhere. JSON stays JSON: a number that is a secret becomes a text.
    """
    if not looks_like_json(text):
        return replaced(text, text_spans(text, rules()))
    return replaced(text, list(json_spans(text, rules())))
