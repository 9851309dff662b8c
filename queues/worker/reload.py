"""Which files make a worker's code, and word of their changes (`--reload`)."""

from __future__ import annotations

import sys
import sysconfig
import threading
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

#: Folders below a project that hold no code of it, however large they are.
IGNORED = {
    "__pycache__",
    "node_modules",
    ".git",
    ".venv",
    "venv",
    ".tox",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
}
#: Editors write a file in several steps.
SETTLED_MS = 300


def project_folders() -> list[str]:
    """The packages of installed apps and of the settings that are not installed packages, and the template folders."""
    from django.apps import apps
    from django.conf import settings
    from django.template import engines
    from django.template.backends.django import DjangoTemplates

    modules = [config.name for config in apps.get_app_configs()]
    modules += [settings.SETTINGS_MODULE] if getattr(settings, "SETTINGS_MODULE", "") else []
    packages = {import_module(name.partition(".")[0]).__file__ for name in modules}
    folders = {Path(file).resolve().parent for file in packages if file and Path(file).name == "__init__.py"}
    for engine in engines.all():
        if isinstance(engine, DjangoTemplates):
            folders |= {Path(folder).resolve() for folder in engine.engine.dirs}
    return sorted(str(folder) for folder in folders if folder.is_dir() and not _is_installed(folder))


def watch(folders: Sequence[str], on_change: Callable[[str], None]) -> None:
    """Call `on_change` with one of the files that changed, in a thread that lasts as long as the process."""
    from watchfiles import watch as changes

    def run() -> None:
        for changed in changes(*folders, watch_filter=_is_code, step=SETTLED_MS, raise_interrupt=False):
            on_change(sorted(path for _, path in changed)[0])

    threading.Thread(target=run, name="watcher", daemon=True).start()


def _is_code(change: object, path: str) -> bool:
    """Python, and what lies in a folder of templates. Compiled files and editors' droppings would never end."""
    found = Path(path)
    if IGNORED.intersection(found.parts) or found.name.startswith("."):
        return False
    return found.suffix == ".py" or ("templates" in found.parts and found.suffix in (".html", ".txt", ".xml"))


def _is_installed(folder: Path) -> bool:
    places = {sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib")}
    return any(folder.is_relative_to(Path(place).resolve()) for place in places if place) or "site-packages" in str(
        folder.relative_to(sys.prefix) if folder.is_relative_to(sys.prefix) else ""
    )
