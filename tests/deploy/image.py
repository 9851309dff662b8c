"""The Dockerfile without an engine: its steps are done, one after the other, in folders that stand for its stages.

Absolute paths of the image lead into the folder of the stage; `FROM` lays nothing under it, this machine does.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: What the steps and processes of the image name absolutely.
INSIDE = re.compile(r"(?<![\w.$])/(?=(?:app|opt|tmp)\b)")
INSTALLS = re.compile(r"\bpip\b.*\binstall\b")


@dataclass
class Stage:
    name: str
    folder: Path
    environ: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = ""
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)

    def inside(self, text: str) -> str:
        return INSIDE.sub(f"{self.folder}/", text)

    def place(self, path: str) -> Path:
        return self.folder / (Path(self.workdir) / path).relative_to("/")

    def environment(self, **more: str) -> dict[str, str]:
        """Of a process in it; nothing of this machine's but where programs are."""
        path = self.environ.get("PATH", "").replace("$PATH", os.environ["PATH"]) or os.environ["PATH"]
        told = {**self.environ, **more, "PATH": path}
        return {name: self.inside(value) for name, value in told.items()}


class Build:
    """Does the steps. With `borrowed` the packages are those of this interpreter instead of a registry's."""

    def __init__(self, folder: Path, *, borrowed: bool) -> None:
        self.folder, self.borrowed = folder, borrowed
        self.stages: list[Stage] = []

    @property
    def stage(self) -> Stage:
        return self.stages[-1]

    def run(self) -> Stage:
        """The last stage."""
        for word, rest in instructions((ROOT / "Dockerfile").read_text()):
            step = getattr(self, f"_{word.lower()}", None)
            if step is not None:
                step(rest)
        return self.stage

    def _from(self, rest: str) -> None:
        name = rest.split()[-1] if " AS " in rest else str(len(self.stages))
        stage = Stage(name, self.folder / name)
        (stage.folder / "tmp").mkdir(parents=True)
        self.stages.append(stage)

    def _workdir(self, rest: str) -> None:
        self.stage.workdir = rest
        self.stage.place(".").mkdir(parents=True, exist_ok=True)

    def _env(self, rest: str) -> None:
        self.stage.environ |= dict(word.split("=", 1) for word in shlex.split(rest))

    def _user(self, rest: str) -> None:
        self.stage.user = rest

    def _cmd(self, rest: str) -> None:
        self.stage.command = json.loads(rest)

    def _healthcheck(self, rest: str) -> None:
        self.stage.health = json.loads(rest[rest.index("[") :])

    def _copy(self, rest: str) -> None:
        words = [word for word in rest.split() if not word.startswith("--")]
        source = next((word.removeprefix("--from=") for word in rest.split() if word.startswith("--from=")), "")
        stage = next((stage for stage in self.stages if stage.name == source), None)
        to = self.stage.place(words[-1])
        for word in words[:-1]:
            if stage is not None:
                shutil.copytree(stage.place(word), to, symlinks=True, dirs_exist_ok=True)
            else:
                self._copy_context(word, to)

    def _copy_context(self, word: str, to: Path) -> None:
        for path in context():
            if word in (".", path) or path.startswith(f"{word}/"):
                target = to / path
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / path, target)

    def _run(self, rest: str) -> None:
        stage = self.stage
        if self.borrowed and INSTALLS.search(rest):
            (packages,) = stage.folder.glob("opt/toril/lib/python*/site-packages")
            (packages / "borrowed.pth").write_text(f"{packages_here()}\n")
            return
        line = stage.inside(rest).replace("python -m", f"{shlex.quote(sys.executable)} -m", 1)
        if "/opt/toril/bin/python -m" in rest.split("&&")[0] or rest.startswith("SECRET_KEY"):
            line = stage.inside(rest)
        done = subprocess.run(
            ["sh", "-ec", line],
            cwd=stage.place("."),
            env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, f"{rest}\n{done.stdout}"


def packages_here() -> Path:
    import django

    return Path(django.__file__).resolve().parents[1]


def instructions(text: str) -> Iterator[tuple[str, str]]:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        word, _, rest = line.strip().partition(" ")
        yield word, rest.strip()


def context() -> list[str]:
    """What `.dockerignore` lets in: of the patterns that fit a file or a folder above it, the last one counts."""
    lines = [line.strip() for line in (ROOT / ".dockerignore").read_text().splitlines()]
    patterns = [(not line.startswith("!"), _pattern(line.lstrip("!"))) for line in lines if line and line[0] != "#"]
    tops = [path for path in ROOT.iterdir() if not path.name.startswith((".", "node_modules"))]
    files = [path for top in tops if top.name != "tests" for path in ([top] if top.is_file() else top.rglob("*"))]
    names = sorted(str(path.relative_to(ROOT)) for path in [*files, *ROOT.glob(".*")] if path.is_file())
    return [name for name in names if not _is_out(name, patterns)]


def _is_out(name: str, patterns: list[tuple[bool, re.Pattern[str]]]) -> bool:
    heads = [name, *(str(parent) for parent in Path(name).parents if str(parent) != ".")]
    return [is_out for is_out, pattern in patterns if any(map(pattern.fullmatch, heads))][-1:] == [True]


def _pattern(text: str) -> re.Pattern[str]:
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", text)
    return re.compile("".join(words.get(part, re.escape(part)) for part in parts))
