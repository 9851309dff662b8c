"""bin/test and bin/bench: what they make of their arguments, and what they say of changed vendored files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from house import benchmarks, checks
from house.virtualenv import SetupFailed

Printed = pytest.CaptureFixture[str]


@pytest.fixture
def vendor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(checks, "VENDOR", tmp_path)
    (tmp_path / "a.js").write_text("a")
    (tmp_path / "SHA256SUMS").write_text(f"{hashlib.sha256(b'a').hexdigest()}  a.js\n")
    return tmp_path


def test_vendored_files_as_listed_are_fine(vendor: Path) -> None:
    assert checks.changed_vendored_files() == ""


def test_a_vendored_file_that_changed_is_missing_or_is_not_listed_is_named(vendor: Path) -> None:
    (vendor / "a.js").write_text("b")
    assert "a.js differs" in checks.changed_vendored_files()
    (vendor / "a.js").unlink()
    assert "a.js differs" in checks.changed_vendored_files()
    (vendor / "SHA256SUMS").write_text("")
    (vendor / "b.js").write_text("b")
    assert "b.js differs" in checks.changed_vendored_files()


def test_another_django_is_taken_out_of_the_arguments() -> None:
    assert checks.django_of(["-k", "x", "--django", "6.1", "tests/unit"]) == ("6.1", ["-k", "x", "tests/unit"])
    assert checks.django_of(["tests/unit"]) == (None, ["tests/unit"])


@pytest.mark.parametrize("arguments", [["--django"], ["--django", "tests"], ["--django", "6"]])
def test_a_django_without_a_version_is_refused(arguments: list[str]) -> None:
    with pytest.raises(SetupFailed, match="--django wants a version"):
        checks.django_of(arguments)


def test_the_benchmarks_are_listed_with_their_first_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    monkeypatch.setattr(benchmarks, "FOLDER", tmp_path)
    (tmp_path / "pages.py").write_text('"""How quick the pages are.\n\nMore."""\n')
    (tmp_path / "_shared.py").write_text("")
    assert benchmarks.run([]) == 0
    assert capsys.readouterr().out == f"{'pages':<20} How quick the pages are.\n"
    assert benchmarks.run(["pagse"]) == 2
    assert "no benchmark “pagse”" in capsys.readouterr().err
