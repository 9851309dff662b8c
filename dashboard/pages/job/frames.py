"""A stack trace taken apart: lines to be read, the project's own frames, and runs of library frames to be folded.

Python's tracebacks and Node's stacks, chained ones included. What is neither stays as lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.translation import ngettext

from queues.stacks import NODE, NODE_PLACE, PYTHON, package_of

#: More lines of one stack are not drawn; it can be read raw and downloaded.
MOST_LINES = 400
MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Frame:
    """`code` is the line of source, where the stack has it; `package` whose file it is, "" for the project's own."""

    path: str
    line: str
    function: str
    code: str = ""
    package: str = ""
    text: str = ""

    @property
    def file(self) -> str:
        return re.split(r"[/\\]", self.path)[-1] or self.path


@dataclass(frozen=True, slots=True)
class Part:
    """`kind`: text (lines as they are), own (one frame), or library (frames next to each other)."""

    kind: str
    text: str = ""
    frame: Frame | None = None
    frames: tuple[Frame, ...] = ()

    @property
    def summary(self) -> str:
        """`6 frames in httpx, anyio`."""
        names = list(dict.fromkeys(frame.package for frame in self.frames))
        more = " …" if len(names) > MOST_NAMED else ""
        found = ngettext("%(count)s frame in %(names)s", "%(count)s frames in %(names)s", len(self.frames))
        return found % {"count": len(self.frames), "names": ", ".join(names[:MOST_NAMED]) + more}


def parts(stack: str) -> list[Part]:
    """In the stack's order. Empty lines between chained errors are kept."""
    return list(_gathered(_read(stack.splitlines()[:MOST_LINES])))


def _gathered(found: Iterator[Frame | str]) -> Iterator[Part]:
    lines: list[str] = []
    library: list[Frame] = []
    for one in found:
        if library and not (isinstance(one, Frame) and one.package):
            yield Part("library", frames=tuple(library))
            library = []
        if lines and isinstance(one, Frame):
            yield Part("text", "\n".join(lines))
            lines = []
        if isinstance(one, str):
            lines.append(one)
        elif one.package:
            library.append(one)
        else:
            yield Part("own", frame=one)
    if library:
        yield Part("library", frames=tuple(library))
    if "".join(lines).strip():
        yield Part("text", "\n".join(lines))


def _read(lines: list[str]) -> Iterator[Frame | str]:
    at = 0
    while at < len(lines):
        if found := PYTHON.fullmatch(lines[at]):
            end = at + 1
            # The line of source and its marks; a nested traceback in an ExceptionGroup is indented otherwise.
            while end < len(lines) and lines[end].startswith("    ") and not PYTHON.fullmatch(lines[end]):
                end += 1
            yield _python(found, lines[at:end])
            at = end
        elif found := NODE.fullmatch(lines[at][:2_000]):
            yield _node(found, lines[at])
            at += 1
        else:
            yield lines[at]
            at += 1


def _python(found: re.Match[str], lines: list[str]) -> Frame:
    code = next((line.strip() for line in lines[1:] if line.strip(" ^~")), "")
    path = found["path"]
    return Frame(path, found["line"], found["function"] or "", code, package_of(path), "\n".join(lines))


def _node(found: re.Match[str], line: str) -> Frame:
    place = NODE_PLACE.fullmatch(found["where"] if found["where"] is not None else found["bare"])
    path, number = (place["path"], place["line"] or "") if place else (found["bare"] or "", "")
    return Frame(path, number, found["function"] or "", "", package_of(path), line)
