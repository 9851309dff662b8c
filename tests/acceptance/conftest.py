"""A fresh clone of this repository, shared by the tests of one file; `bin/up` makes its virtualenv there."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.acceptance.program import PYTHON, ROOT, Program, plain_environment
from tests.conftest import free_port

Up = Callable[..., Program]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The committed state, in a folder with a space in its name."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("There is no git repository to clone.")
    folder = tmp_path_factory.mktemp("fresh clone") / "toril"
    subprocess.run(["git", "clone", "--quiet", "--no-local", ROOT, folder], check=True)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def up(clone: Path, port: int) -> Iterator[Up]:
    """Start bin/up in the clone on a free port, in a plain environment with these variables; None leaves one out."""
    with ExitStack() as stack:

        def start(**variables: str | None) -> Program:
            wanted = {"PORT": str(port), **variables}
            environment = plain_environment(**{name: value for name, value in wanted.items() if value is not None})
            return stack.enter_context(Program([PYTHON, clone / "bin" / "up"], clone, environment))

        yield start
