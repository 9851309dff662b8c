"""bin/test and bin/bench: what they make of their arguments, of failures, and of changed vendored files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from house import again, benchmarks, checks
from house.virtualenv import SetupFailed, Virtualenv
from tests.conftest import first_words

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


def test_files_that_say_so_run_on_postgresql_too() -> None:
    files = checks.on_both_databases()
    assert "tests/integration/test_mirror_follow.py" in files
    assert "tests/unit/test_checks.py" not in files


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


def test_a_benchmark_is_told_the_options_and_their_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    (tmp_path / "pages.py").write_text('"""How quick the pages are."""')
    monkeypatch.setattr(benchmarks, "FOLDER", tmp_path)
    monkeypatch.setattr(benchmarks, "virtualenv_for_tests", lambda: Virtualenv(tmp_path))
    monkeypatch.setattr(benchmarks.subprocess, "call", lambda command, **_: asked.append(command) or 3)
    assert benchmarks.run(["pages", "--minutes", "1"]) == 3
    assert asked[0][2:] == ["tests.bench.pages", "--minutes", "1"]


@pytest.fixture
def listed(tmp_path: Path) -> Callable[[dict[str, str]], Path]:
    def write(said: dict[str, str]) -> Path:
        (tmp_path / "failed.json").write_text(json.dumps(said))
        return tmp_path / "failed.json"

    return write


def test_what_failed_beside_others_and_passes_alone_is_told_loudly_and_fails_nothing(listed, capsys: Printed) -> None:
    asked: list[str] = []
    said = {
        "tests/a.py::test_one": "E  too late\nE  last: False",
        "tests/b.py::test_two[a b]": "E  assert 2 == 3",
    }
    assert not again.fail_alone(listed(said), lambda test: (asked.append(test) or 0, "fine"))
    assert asked == list(said)
    printed = capsys.readouterr().out
    assert "2 failed beside others, passed alone" in printed
    assert all(words in printed for words in ("tests/b.py::test_two[a b]", "last: False", "assert 2 == 3"))
    assert "fine" not in printed


def test_what_fails_alone_as_well_is_shown_and_fails(listed, capsys: Printed) -> None:
    said = {"tests/a.py::test_one": "E  was late", "tests/b.py::test_two": "E  was wrong"}
    assert again.fail_alone(listed(said), lambda test: (int("b.py" in test), "its output"))
    printed = capsys.readouterr().out
    assert "failed again, alone: tests/b.py::test_two" in printed
    assert "its output" in printed
    assert "1 failed beside others, passed alone" in printed
    assert "was wrong" not in printed


@pytest.mark.parametrize("said", [{}, {f"tests/a.py::test_{n}": "E" for n in range(13)}, {"tests/a.py": "E no import"}])
def test_many_failures_no_failures_or_a_file_that_cannot_be_read_are_not_run_again(listed, said) -> None:
    assert again.fail_alone(listed(said), lambda test: pytest.fail(f"{test} was run"))


def test_where_nothing_was_listed_nothing_is_run_again(tmp_path: Path) -> None:
    assert again.fail_alone(tmp_path / "none.json", lambda test: pytest.fail(f"{test} was run"))


def test_the_words_of_a_failure_are_what_was_raised() -> None:
    assert first_words("def test():\n>   assert 1 == 2\nE   assert 1 == 2\nE    +  more\n\ntests/a.py:3") == (
        "E   assert 1 == 2\nE    +  more"
    )
    assert first_words("worker gw1 crashed") == "worker gw1 crashed"
