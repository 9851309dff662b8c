"""What tells one cause of failure from another: the job's name, the error's type, its message without what differs
from job to job, and the project's own frame nearest to it. Pure; secrets are masked before anything is kept.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import lru_cache

from queues.masking import mask_text
from queues.protocol.codec import parse_json
from queues.stacks import TRACEBACK, headline, innermost_own_frame, kind_of

#: Characters kept of each part; a message is read so far and no further.
LONGEST_NAME, LONGEST_KIND, LONGEST_MESSAGE, LONGEST_FRAME, READ = 200, 120, 300, 200, 1_200
#: Of the values that were taken out of a message so many can be told apart again.
MOST_VALUES, LONGEST_VALUE = 9, 80
_NOT_A_STACK = ("", "NoneType: None")

# Each piece is bounded or followed by what it cannot hold: time grows with the text's length and no faster.
_VARIABLE = re.compile(
    r"(?P<url>\b[A-Za-z][A-Za-z0-9+.-]{1,15}://[^\s\"'`<>)\]}]+)"
    r"|(?P<email>[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64})+)"
    r"|(?P<id>\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b"
    r"|\b0x[0-9a-fA-F]+\b"
    r"|\b(?=[0-9a-fA-F]{0,64}[0-9])(?=[0-9]{0,64}[a-fA-F])[0-9a-fA-F]{8,128}\b"
    # Letters and digits by turns: no word, and no name with a number.
    r"|\b(?=[A-Za-z0-9]{0,32}(?:[A-Za-z][0-9]{1,32}[A-Za-z]|[0-9][A-Za-z]{1,32}[0-9]))[A-Za-z0-9]{6,128}\b"
    r"|\b(?=[\w-]{0,64}(?:[A-Za-z][0-9]{1,32}[A-Za-z]|[0-9][A-Za-z]{1,32}[0-9]))[\w-]{16,128}\b)"
    r"|(?P<time>\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?)"
    r"|(?P<ip>\b\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?\b)"
    r"|(?P<path>(?<![\w/.<])(?:[A-Za-z]:\\|~?/)[\w.@~%+-][^\s\"'`:;,<>|)\]}]*"
    r"|(?<=[\"'`])(?:[\w.@~%+-]{1,64}[/\\]){1,32}[\w.@~%+-]{0,128}(?=[\"'`]))"
    r"|(?P<n>(?:(?<=[\s=(\[:,])[-+])?\d+(?:[.,:]\d+)*(?:[eE][+-]?\d{1,4})?)"
)
_STATUS = re.compile(r"[1-5]\d\d")
_BEFORE_STATUS = re.compile(r"(?i)(?:status|code|http|error)\w{0,8}[\s:=/(]{0,4}\Z")
_AFTER_STATUS = re.compile(
    r"(?:,|:)? (?:(?:Client|Server) Error|Bad|Unauthori[sz]ed|Payment|Forbidden|Not|Method|Request|Conflict|Gone"
    r"|Unprocessable|Locked|Too|Internal|Service|Gateway)\b"
)
_REPEATED = re.compile(r"(<[a-z]+>)(?:(?:, ?| )\1)+")
#: A name is a name: only what no one would call a job by is taken out of it.
_NAMELESS = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|(?=[a-f0-9]{0,64}\d)[a-f0-9]{12,}|\d{4,}")
_RELEASE = re.compile(r"(?:\d{6,}|(?=[0-9a-f]*\d)[0-9a-f]{7,})(?=[./\\_-]|\Z)")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Equal for failures of one cause. `message` has `<n>`, `<id>`, `<url>` … where values stood, and `values` holds
    those that one failure had (not part of what is equal). All of it is masked.
    """

    name: str
    kind: str = ""
    message: str = ""
    frame: str = ""
    values: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        return _digest(self.name, self.kind, self.message, self.frame)

    def finer(self, kept: Collection[int]) -> Fingerprint:
        """With the values of these places (from 0) told apart; their number is `MOST_VALUES` at most."""
        at = -1

        def put_back(found: re.Match[str]) -> str:
            nonlocal at
            at += 1
            return self.values[at] if at in kept and at < len(self.values) else found[0]

        message = _PLACE.sub(put_back, self.message)
        return replace(self, message=message[: LONGEST_MESSAGE + MOST_VALUES * LONGEST_VALUE])

    def coarse(self) -> Fingerprint:
        """Without its message: for a name that fails with ever new ones."""
        return replace(self, message="", values=())


def fingerprint(name: str, reason: str, stacktrace: str) -> Fingerprint:
    """Of a job as it is stored: `failedReason` and the JSON list of stacks. Never raises."""
    stack = latest_stack(stacktrace)
    line = first_line(reason) or headline(stack)
    told = kind_of(headline(stack)) or kind_of(line)
    kind = told.rpartition(".")[2]
    message, values = normalised(_without_kind(line, told, kind))
    return Fingerprint(
        _NAMELESS.sub("<id>", name[: 2 * LONGEST_NAME])[:LONGEST_NAME],
        kind[:LONGEST_KIND],
        message,
        frame_of(stack),
        values,
    )


@lru_cache(maxsize=4096)
def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def latest_stack(stacktrace: str) -> str:
    """The newest of the stacks that are stored, as far as it is whole."""
    stacks = parse_json(stacktrace) if stacktrace else None
    if isinstance(stacks, list):
        told = [str(stack) for stack in stacks if str(stack).strip() not in _NOT_A_STACK]
        return told[-1] if told else ""
    return _first_of_cut(stacktrace) if stacktrace.startswith("[") else stacktrace.removeprefix("null")


def _first_of_cut(stacktrace: str) -> str:
    """A list that was cut off: its first attempt most likely failed as the last did."""
    try:
        found, _ = json.JSONDecoder().raw_decode(stacktrace, 1)
    except (ValueError, RecursionError):
        return ""
    return found if isinstance(found, str) else ""


def frame_of(stack: str) -> str:
    """`mail/jobs.py send`: the file's last folders, without what changes with a release, and no line number."""
    found = _frame_below(_way_of(stack)) if stack else None
    if found is None:
        return ""
    path, function = found
    place = "/".join(re.split(r"[/\\]+", path)[-3:])
    return f"{_RELEASE.sub('*', place)} {function}".strip()[-LONGEST_FRAME:]


def _way_of(stack: str) -> str:
    """The stack without the line in which each failure says something else."""
    if TRACEBACK in stack:
        return stack.rstrip().rpartition("\n")[0]
    return stack.partition("\n")[2]


#: Thousands of failures come by one way.
_frame_below = lru_cache(maxsize=256)(innermost_own_frame)


def normalised(message: str) -> tuple[str, tuple[str, ...]]:
    """The message without what differs from job to job, and what that was."""
    values: list[str] = []
    masked = mask_text(message[:READ])
    # What looks like one of our own marks must not count as a place.
    plain = masked.replace("<", "‹").replace(">", "›")

    def take_out(found: re.Match[str]) -> str:
        if found.lastgroup == "n" and _is_status(plain, found):
            return found[0]
        values.append(found[0][:LONGEST_VALUE])
        return f"<{found.lastgroup}>"

    text = _VARIABLE.sub(take_out, plain)
    shown = _REPEATED.sub(r"\1…", text)
    if shown != text:
        # Of a list only the first value has a place.
        values = _first_values(text, values)
    return " ".join(shown.split())[:LONGEST_MESSAGE], tuple(values[:MOST_VALUES])


def _first_values(text: str, values: list[str]) -> list[str]:
    repeated = [(found.start(), found.end()) for found in _REPEATED.finditer(text)]
    places = [found.start() for found in _PLACE.finditer(text)]
    return [
        value
        for place, value in zip(places, values, strict=False)
        if not any(start < place < end for start, end in repeated)
    ]


def _is_status(text: str, found: re.Match[str]) -> bool:
    """404 and 500 are two causes, not one with a number."""
    if not _STATUS.fullmatch(found[0]):
        return False
    before = text[max(0, found.start() - 24) : found.start()]
    return bool(_BEFORE_STATUS.search(before) or _AFTER_STATUS.match(text, found.end()))


def first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def _without_kind(line: str, told: str, kind: str) -> str:
    for known in (told, kind):
        if known and line.startswith(known) and line[len(known) :][:1] in ("", ":"):
            return line[len(known) :].lstrip(": ")
    return line


#: Where a value stood.
_PLACE = re.compile(r"<(?:url|email|id|time|ip|path|n)>")
