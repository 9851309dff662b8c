"""Secrets that are known by their looks: JWT, PEM, logins in URLs, card numbers, tokens with a well-known beginning.

Every search is linear: each begins where a fixed mark stands, and goes on only over what it then takes or skips.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

from queues.masking.spans import MASK, Span

#: Every token lies in such a run: all else is passed over quickly.
_RUN = re.compile(r"[\w.+/=-]{16,}+", re.ASCII)
_JWT = re.compile(r"(?<![\w-])eyJ[\w-]{8,}+\.[\w-]{2,}+(?:\.[\w-]*+){1,3}+", re.ASCII)
_KNOWN = re.compile(
    r"(?<![A-Za-z0-9_])(?:(?:AKIA|ASIA)[0-9A-Z]{12,}+|gh[pousr]_[A-Za-z0-9]{16,}+|github_pat_\w{20,}+|glpat-[\w-]{16,}+"
    r"|xox[bpars]-[\w-]{10,}+|xapp-[\w-]{10,}+|[sr]k_(?:live|test)_[A-Za-z0-9]{10,}+|whsec_[\w+/=]{16,}+"
    r"|sk-[\w-]{20,}+|AIza[\w-]{30,}+|ya29\.[\w-]{20,}+|SG\.[\w-]{16,}+\.[\w-]{16,}+|npm_[A-Za-z0-9]{30,}+"
    r"|pypi-[\w-]{40,}+|hf_[A-Za-z0-9]{20,}+|dop_v1_[a-f0-9]{32,}+|shp(?:at|ss)_[a-fA-F0-9]{24,}+|hvs\.[\w-]{20,}+"
    r"|lin_api_\w{20,}+|EAAA[A-Za-z0-9]{40,}+|AGE-SECRET-KEY-1[0-9A-Z]{40,}+)",
    re.ASCII,
)
_SCHEME = re.compile(r"(?<![A-Za-z0-9_])([Bb]earer|[Bb]asic|BEARER|BASIC)\s{1,4}+([\w.~+/-]{8,}+=*+)", re.ASCII)
#: Where the text was cut, the `@` may be missing.
_LOGIN = re.compile(r"([^\s/?#\"'<>@:\\]{0,256}+)(?::([^\s/?#\"'<>\\]{0,1024})(@|\Z)|@)")
#: Cheaper to look for than what they lead to: most texts hold neither.
_SCHEME_HINT = re.compile(r"[Bb](?:earer|asic)\s|B(?:EARER|ASIC)\s")
_CARD_HINT = re.compile(r"[2-6][0-9]{3}[ -]?[0-9]{4}")
_BEGIN = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,60}+)-----")
_CARD = re.compile(
    r"(?<![0-9A-Za-z.])(?:[2-6][0-9]{12,18}|[2-6][0-9]{3}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{1,7}"
    r"|3[0-9]{3}([ -])[0-9]{6}\2[0-9]{4,5})(?![0-9A-Za-z])"
)
_ISSUER = re.compile(
    r"4(?:.{12}|.{15}|.{18})|(?:5[1-5]|222[1-9]|22[3-9].|2[3-6]..|27[01].|2720).+|3[47].{13}|(?:6011|65|64[4-9]).{12,}"
    r"|3(?:0[0-5]|[68]).{11,12}|352[89].{12}|35[3-8].{13}|62.{14,17}"
)
_MASTERCARD = 16


def shapes(text: str) -> Iterator[Span]:
    """Where they stand; in no order, and some may lie in one another."""
    for run in _RUN.finditer(text):
        for pattern in (_JWT, _KNOWN):
            for found in pattern.finditer(text, *run.span()):
                yield found.start(), found.end(), MASK
    yield from _pems(text)
    yield from _logins(text)
    if _SCHEME_HINT.search(text):
        yield from _schemes(text)
    if _CARD_HINT.search(text):
        yield from ((found.start(), found.end(), MASK) for found in _CARD.finditer(text) if is_card(found[0]))


def _schemes(text: str) -> Iterator[Span]:
    for found in _SCHEME.finditer(text):
        if found[1].lower() == "bearer" or _is_login(found[2]):
            yield found.start(2), found.end(2), MASK


def is_card(number: str) -> bool:
    """Whether a known issuer gives such numbers and the check digit is right."""
    digits = number.replace(" ", "").replace("-", "")
    if not _ISSUER.fullmatch(digits) or (digits[0] in "25" and len(digits) != _MASTERCARD):
        return False
    doubled = (2 * int(digit) for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(each - 9 * (each > 9) for each in doubled)) % 10 == 0


def _is_login(encoded: str) -> bool:
    """`Basic` stands before many words; a login is base64 with a colon inside."""
    try:
        return b":" in base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False


def _pems(text: str) -> Iterator[Span]:
    """What stands between the two lines; to the end where the second was cut off."""
    at = 0
    while found := _BEGIN.search(text, at):
        end = text.find(f"-----END {found[1]}-----", found.end())
        at = end if end >= 0 else len(text)
        yield found.end(), at, MASK


def _logins(text: str) -> Iterator[Span]:
    for sign in ("://", ":\\/\\/"):
        at = text.find(sign)
        while at >= 0:
            start = at + len(sign)
            if (found := _LOGIN.match(text, start)) and (span := _login(found)):
                yield span
            at = text.find(sign, start)


def _login(found: re.Match[str]) -> Span | None:
    if found[2] is not None:
        is_port = not found[3] and (found[2].isdecimal() or found[2].endswith("]"))
        return (found.start(2), found.end(2), MASK) if found[2] and not is_port else None
    # A name alone is no secret; a token in its place is longer than names are.
    return (found.start(1), found.end(1), MASK) if len(found[1]) >= 20 else None
