"""Django's own tests of its tasks API, loaded so that they test our backend.

They are written against Django's two backends. Here the import paths of those two lead to ours (`backends.py`), and
before Django 6, which has no tasks, those of the API lead to the django-tasks package. Nothing else is changed.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path

import django

from tests import services

FOLDER = Path(__file__).parent / "django" / "tasks"
#: The package's tests are not in its own distribution, and they are the ones Django took over.
NAMES_BEFORE_DJANGO_6 = {
    "django.tasks.backends.base": "django_tasks.backends.base",
    "from django.tasks": "from django_tasks",
    '"django.tasks"': '"django_tasks"',
    "InvalidTaskBackend": "InvalidTaskBackendError",
    "InvalidTask,": "InvalidTaskError,",
    "import InvalidTask\n": "import InvalidTaskError\n",
    "import InvalidTask, ": "import InvalidTaskError, ",
    "support async Tasks.": "support async tasks.",
}
OUR_BACKENDS = {
    "django.tasks.backends.dummy": "tests.conformance.backends",
    "django.tasks.backends.immediate": "tests.conformance.backends",
}


def load(module: str) -> types.ModuleType:
    """One of Django's test modules (`test_tasks`). Skips, or fails in CI, where they were not fetched."""
    if not FOLDER.is_dir():
        services.missing("Django's own tests are not in tests/conformance/django")
    for name in ("tasks", "tasks.tasks", f"tasks.{module}"):
        if name not in sys.modules:
            sys.modules[name] = _run(name)
    return sys.modules[f"tasks.{module}"]


def _run(name: str) -> types.ModuleType:
    made = types.ModuleType(name)
    path = FOLDER / "__init__.py" if name == "tasks" else FOLDER / f"{name.partition('.')[2]}.py"
    made.__file__ = str(path)
    made.__package__ = "tasks"
    if name == "tasks":
        made.__path__ = []
    # Its tasks pickle themselves by their path.
    sys.modules[name] = made
    exec(compile(_source(path), path, "exec"), made.__dict__)  # noqa: S102
    if name != "tasks":
        setattr(sys.modules["tasks"], name.partition(".")[2], made)
    return made


def _source(path: Path) -> str:
    text = path.read_text()
    names = OUR_BACKENDS if django.VERSION >= (6, 0) else OUR_BACKENDS | NAMES_BEFORE_DJANGO_6
    for theirs, ours in names.items():
        text = text.replace(theirs, ours)
    return text
