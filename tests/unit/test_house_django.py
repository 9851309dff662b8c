"""bin/test fetches Django's own tests once, leaves them where it cannot, and never runs what it has not pinned."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from house import services
from house.virtualenv import Virtualenv

#: In the place of pip: packs a distribution, and counts how often it was asked.
FAKE_PIP = """#!{python}
import pathlib, sys, tarfile
with pathlib.Path(__file__).with_name("asked").open("a") as asked:
    print(*sys.argv[1:], file=asked)
if {fails}:
    sys.exit("no network here")
folder = pathlib.Path(sys.argv[-1])
source = folder / "source"
source.mkdir()
(source / "test_tasks.py").write_text("hello = 1")
with tarfile.open(folder / "django-6.1.3.tar.gz", "w:gz") as archive:
    archive.add(source / "test_tasks.py", "django-6.1.3/tests/tasks/test_tasks.py")
    archive.add(source / "test_tasks.py", "django-6.1.3/tests/other/test_other.py")
"""


@pytest.fixture
def conformance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(services, "CONFORMANCE", tmp_path / "conformance")
    (tmp_path / "conformance").mkdir()
    (tmp_path / "conformance" / "sdist.txt").write_text("Django==6.1.3 --hash=sha256:00\n")
    return tmp_path / "conformance"


def virtualenv(folder: Path, *, fails: bool = False) -> Virtualenv:
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    python = folder / "bin" / "python"
    python.write_text(FAKE_PIP.format(python=sys.executable, fails=fails))
    python.chmod(0o755)
    return Virtualenv(folder)


def test_they_are_fetched_once_for_each_pin(conformance: Path, tmp_path: Path) -> None:
    made = virtualenv(tmp_path / "venv")
    services.ensure_django_tests(made)
    services.ensure_django_tests(made)
    asked = (tmp_path / "venv" / "bin" / "asked").read_text().splitlines()
    assert len(asked) == 1
    assert "--require-hashes" in asked[0]
    assert "--no-binary :all:" in asked[0]
    files = sorted(path.name for path in (conformance / "django").rglob("*") if path.is_file())
    assert files == [".toril-pin", "test_tasks.py"]

    (conformance / "sdist.txt").write_text("Django==6.2 --hash=sha256:00\n")
    services.ensure_django_tests(made)
    assert len((tmp_path / "venv" / "bin" / "asked").read_text().splitlines()) == 2


def test_where_they_cannot_be_fetched_the_old_ones_stay(
    conformance: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    services.ensure_django_tests(virtualenv(tmp_path / "venv"))
    (conformance / "sdist.txt").write_text("Django==6.2 --hash=sha256:00\n")
    services.ensure_django_tests(virtualenv(tmp_path / "venv", fails=True))
    assert "no network here" in capsys.readouterr().out
    assert (conformance / "django" / "tasks" / "test_tasks.py").exists()
