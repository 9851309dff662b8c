"""What a frame of Python's and Node's stack traces looks like, whose file it lies in, which line names the error."""

from __future__ import annotations

import re

TRACEBACK = "Traceback (most recent call last)"
PYTHON = re.compile(r'  File "(?P<path>[^"]*)", line (?P<line>\d+)(?:, in (?P<function>.*))?')
NODE = re.compile(r"\s+at (?:async )?(?:(?P<function>.*) \((?P<where>[^()]*)\)|(?P<bare>\S+))$")
NODE_PLACE = re.compile(r"(?:file://)?(?P<path>.*?)(?::(?P<line>\d+))?(?::\d+)?$")
_PACKAGE = re.compile(r"(?:site-packages|dist-packages|node_modules)[/\\](@[^/\\]+[/\\])?([^/\\]+)")
_STANDARD = re.compile(r"[/\\]lib(?:64)?[/\\]python\d|[/\\]Lib[/\\]|\.zip[/\\]|^<frozen |^node:|^internal/|^native$")
#: The error's type at the beginning of its line, with the module that Python writes before it.
_KIND = re.compile(r"([A-Za-z_][\w.$]*)(?:: |:?$)")
#: So much of a stack is looked at for the innermost frame, from the end where that is; and so much of one line.
LONGEST, LONGEST_LINE = 30_000, 2_000


def package_of(path: str) -> str:
    """The package a file belongs to; "Node" or "Python" for what comes with the language, "" for the project's own."""
    if packages := _PACKAGE.findall(path):
        scope, name = packages[-1]
        return f"{scope}{name}".removesuffix(".py")
    if path in ("<anonymous>", "native") or path.startswith(("node:", "internal/")):
        return "Node"
    return "Python" if _STANDARD.search(path) else ""


def headline(stack: str) -> str:
    """The line that names the error: Node writes it first, Python last."""
    lines = [line for line in stack.splitlines() if line.strip()]
    if not lines:
        return ""
    # A Python error of several lines starts at the last line that is not indented.
    flush = [line for line in lines if not line[0].isspace()]
    return (flush[-1] if TRACEBACK in stack and flush else lines[0]).strip()


def kind_of(line: str) -> str:
    """The error's type as its line begins, `httpx.ReadTimeout`; empty where it begins otherwise."""
    found = _KIND.match(line)
    return found[1] if found and (found[1][:1].isupper() or "." in found[1]) else ""


def innermost_own_frame(stack: str) -> tuple[str, str] | None:
    """(path, function) of the project's own frame that is nearest to the error; None where no frame is its own."""
    return _python_frame(stack) if TRACEBACK in stack else _node_frame(stack)


def _python_frame(stack: str) -> tuple[str, str] | None:
    # Of errors that led to each other, the last is the one the job failed with.
    last = stack.rpartition(TRACEBACK)[2][-LONGEST:]
    for found in reversed(list(PYTHON.finditer(last))):
        if not package_of(found["path"]):
            return found["path"], found["function"] or ""
    return None


def _node_frame(stack: str) -> tuple[str, str] | None:
    for line in stack[:LONGEST].splitlines():
        found = NODE.fullmatch(line[:LONGEST_LINE])
        if found is None:
            continue
        where = found["where"] if found["where"] is not None else found["bare"] or ""
        place = NODE_PLACE.fullmatch(where)
        path = place["path"] if place else where
        if not package_of(path) and not path.startswith("index "):
            return path, found["function"] or ""
    return None
