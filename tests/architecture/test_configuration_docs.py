"""docs/configuration.md names every variable and every setting the code reads, and none that it does not."""

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from queues.errors import ConfigurationError
from queues.options import ConnectionOptions, Options, QueueOptions, load

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "configuration.md").read_text()
VARIABLE = re.compile(r"[A-Z][A-Z0-9_]+")
#: The machine's own, documented elsewhere.
FOREIGN = {"PATH", "TERM", "NO_COLOR", "DJANGO_SETTINGS_MODULE", "HOME"}


def sources() -> Iterator[Path]:
    for folder in ("queues", "dashboard", "bin"):
        yield from (ROOT / folder).rglob("*.py")


def is_environment(node: ast.expr) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name.lower() in ("environ", "environment")


def read_in(tree: ast.AST) -> Iterator[str]:
    """The constants in `environ.get("X")`, `environ["X"]`, `"X" in environ` and `reader(environ, "X")`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            asked = node.func.value if isinstance(node.func, ast.Attribute) else node.func
            if any(map(is_environment, [asked, *node.args])):
                yield from constants(*node.args)
        elif isinstance(node, ast.Subscript) and is_environment(node.value) and isinstance(node.ctx, ast.Load):
            yield from constants(node.slice)
        elif isinstance(node, ast.Compare) and any(map(is_environment, node.comparators)):
            yield from constants(node.left)


def constants(*nodes: ast.expr) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and VARIABLE.fullmatch(node.value):
            yield node.value


NAMED = set(re.findall(r"^\| `([A-Z][A-Z0-9_]+)`", PAGE.partition("## The setting")[0], re.MULTILINE))


@pytest.fixture(scope="module")
def read() -> set[str]:
    return {name for path in sources() for name in read_in(ast.parse(path.read_text()))} - FOREIGN


def test_the_search_finds_the_variables_we_know(read: set[str]) -> None:
    assert {"REDIS_URL", "REDIS_PORT", "SECRET_KEY", "DEBUG", "TORIL_DEMO", "DATABASE_URL"} <= read


def test_every_variable_that_is_read_is_documented(read: set[str]) -> None:
    assert read - NAMED == set()


def test_every_variable_that_is_documented_is_read(read: set[str]) -> None:
    assert NAMED - read == set()


@pytest.mark.parametrize("option", [field.name for field in fields(QueueOptions)])
def test_every_queue_option_is_documented_with_its_default(option: str) -> None:
    row = re.search(rf"^\| `{option}` \| (.+?) \|", PAGE, re.MULTILINE)
    assert row, f"no row for {option}"
    default = getattr(QueueOptions(), option)
    assert row[1].replace(",", "") == ("none" if default is None else str(default))


def test_every_key_of_the_setting_is_documented() -> None:
    with pytest.raises(ConfigurationError) as refused:
        load({"?": 1})
    known = str(refused.value).partition("it knows ")[2].rstrip(".").split(", ")
    # `told` holds what QUEUES and VARIABLES said.
    assert set(known) == {field.name.upper() for field in fields(Options)} - {"TOLD"}
    assert all(f"`{key}`" in PAGE for key in known)
    assert all(f"`{field.name.upper()}`" in PAGE for field in fields(ConnectionOptions) if field.name != "name")
