"""Editing around what is masked: a person who may not reveal sees marks in the place of secrets, and each mark that is
left where it was keeps the stored value. What is stored never goes to the browser, and a mark is never stored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.utils.translation import gettext as _

from dashboard.json_text import Mistake, _at, laid_out
from queues.masking import mask_json

MASK = "•••"
#: A whole value that is masked, or a part of a text that is.
_HIDDEN = re.compile(f'"{MASK}"|{MASK}')
#: The same in what is typed: with its number, where there are several.
_MARK = re.compile(rf'"{MASK}(?:\((\d{{1,4}})\))?"|{MASK}(?:\((\d{{1,4}})\))?')


@dataclass(frozen=True, slots=True)
class Veil:
    """`shown` is what the editor holds; `secrets` are the stored pieces, in the order of their marks."""

    shown: str
    secrets: tuple[str, ...] = ()
    #: Of each secret whether it is a value of its own, with its quotes, or a part of a text.
    are_whole: tuple[bool, ...] = ()
    is_veiled: bool = False
    #: Its secrets cannot be told from their surroundings: it is not to be edited by whoever may not reveal.
    is_closed: bool = False


def veil(stored: str, may_reveal: bool) -> Veil:
    """What a person edits: laid out, and masked unless they may reveal."""
    plain = laid_out(stored)
    masked = plain if may_reveal else mask_json(plain)
    if masked == plain:
        return Veil(plain)
    between = _HIDDEN.split(masked)
    secrets = _secrets(plain, between)
    if secrets is None:
        return Veil(masked, is_veiled=True, is_closed=True)
    marks = [match[0] for match in _HIDDEN.finditer(masked)]
    made = [between[0]]
    for number, (mark, after) in enumerate(zip(marks, between[1:], strict=True), 1):
        numbered = mark.replace(MASK, f"{MASK}({number})") if len(marks) > 1 else mark
        made += [numbered, after]
    return Veil("".join(made), tuple(secrets), tuple(mark[0] == '"' for mark in marks), is_veiled=True)


def _secrets(plain: str, between: list[str]) -> list[str] | None:
    """The pieces of `plain` that the mask replaced; None where they cannot be told apart for certain."""
    if not plain.startswith(between[0]):
        return None
    at, found = len(between[0]), []
    for number, after in enumerate(between[1:], 1):
        is_last = number == len(between) - 1
        end = len(plain) - len(after) if is_last else plain.find(after, at)
        if end < at or (is_last and not plain.endswith(after)):
            return None
        found.append(plain[at:end])
        at = end + len(after)
    return found


def unveil(typed: str, veiled: Veil) -> str | Mistake:
    """The text to be stored: each mark replaced by what it stands for. A Mistake where one stands for nothing, or where
    a secret would come to stand in a place that is not masked.
    """
    if not veiled.is_veiled:
        return typed
    made, end = [], 0
    for match in _MARK.finditer(typed):
        piece = _piece(match, veiled)
        if piece is None:
            words = _("%(mark)s stands for no stored value here; write the value, or remove it")
            return _at(typed, match.start(), words % {"mark": match[0].strip('"')})
        made += [typed[end : match.start()], piece]
        end = match.end()
    merged = "".join([*made, typed[end:]])
    # Whoever may not see a secret must not be able to move it to where it would be seen.
    if mask_json(merged) != mask_json(with_masks(typed)):
        words = _("a masked value was moved or changed in part: leave it as it was, or write all of it anew")
        return Mistake(0, 0, words[:1].upper() + words[1:] + ".")
    return merged


def with_masks(typed: str) -> str:
    """What was typed with masks in the place of marks: nothing of what is stored is in it."""
    return _MARK.sub(_bare, typed)


def _bare(match: re.Match[str]) -> str:
    return f'"{MASK}"' if match[0].startswith('"') else MASK


def _piece(match: re.Match[str], veil: Veil) -> str | None:
    """What the mark stands for; None for a number that is none, and where it is no longer as whole as it was."""
    number = match[1] or match[2]
    at = int(number) - 1 if number else 0 if len(veil.secrets) == 1 else -1
    if not 0 <= at < len(veil.secrets) or veil.are_whole[at] is not match[0].startswith('"'):
        return None
    return veil.secrets[at]
