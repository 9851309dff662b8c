"""docs/security.md: every test that its table names is there; and what needs no running site to be seen."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
ROWS = re.findall(r"^\| (\d+\.\d+\.\d+) \| (.+?) \| (.+?) \|$", PAGE, re.MULTILINE)
#: What must have a row, of levels 1 and 2.
APPLY = """
1.2.1-4 1.2.9-10 1.3.2 1.3.6 1.3.12 1.4.2 1.5.2-3 2.1.1 2.1.3 2.2.1-2 2.3.2-3 2.4.1 3.2.1-3 3.3.1-4 3.4.1-6
3.4.8 3.5.1-3 3.5.8 3.6.1 3.7.2 4.1.1 4.1.3-4 4.2.1 4.4.1-4 6.1.1 6.1.3 6.2.1-9 6.3.1-2 6.3.4 6.3.8 7.1.1
7.2.1-4 7.3.1-2 7.4.1-2 7.4.4-5 8.1.1-2 8.2.1-3 8.3.1-3 8.4.1 9.1.1-3 9.2.1-4 11.2.1 11.2.4 11.4.1-2 11.5.1
12.2.1 12.3.1-2 13.2.1-6 13.3.1 13.4.1-6 14.1.1 14.2.1 14.2.4 14.2.6-7 14.3.1-3 15.1.1-3 15.2.1-4 15.3.1-7
15.4.1-4 16.1.1 16.2.1-5 16.3.1-4 16.4.1 16.5.1-4
"""
#: Names of what a stranger must not learn by how long a comparison takes.
SECRET = re.compile(r"(secret|digest|signature|password|token|state|nonce|hmac)s?$", re.IGNORECASE)


def applying() -> Iterator[str]:
    for told in APPLY.split():
        item, _, last = told.partition("-")
        chapter, _, first = item.rpartition(".")
        yield from (f"{chapter}.{number}" for number in range(int(first), int(last or first) + 1))


def test_each_item_that_applies_has_one_row() -> None:
    items = [item for item, _, _ in ROWS]
    assert len(items) == len(set(items)) > 150
    assert set(applying()) <= set(items)


def test_every_test_that_the_table_names_is_there() -> None:
    wrong = []
    for item, _, shown in ROWS:
        named = re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", shown)
        if not named and not shown.startswith("Not "):
            wrong.append(f"{item} names no test")
        for file, test in named:
            path = ROOT / "tests" / file
            if not path.is_file() or (test and f"def {test}(" not in path.read_text()):
                wrong.append(f"{item}: {file}::{test} is not there")
    assert wrong == []


def test_the_times_of_the_policy_are_said() -> None:
    policy = " ".join((ROOT / "SECURITY.md").read_text().split())
    for time in ("within 48 hours", "within 7 days", "within 14 days"):
        assert time in policy


def modules() -> Iterator[tuple[str, ast.AST]]:
    for folder in ("dashboard", "queues"):
        for path in (ROOT / folder).rglob("*.py"):
            if "migrations" not in path.parts:
                yield str(path.relative_to(ROOT)), ast.parse(path.read_text())


def names(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def test_secrets_are_compared_in_constant_time() -> None:
    found = [
        f"{where}:{node.lineno}"
        for where, tree in modules()
        if where.startswith(("dashboard/credentials", "dashboard/sign_in", "queues/delivery"))
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare)
        and isinstance(node.ops[0], ast.Eq | ast.NotEq)
        and any(SECRET.search(names(side)) for side in (node.left, *node.comparators))
    ]
    assert found == []


def test_no_weak_hash_is_used() -> None:
    weak = re.compile(r"\b(md5|sha1|sha_1)\b", re.IGNORECASE)
    found = [
        f"{where}:{node.lineno}"
        for where, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute | ast.Name) and weak.fullmatch(names(node))
    ]
    # What names a script to Redis is its SHA-1, by Redis's own protocol: no secret hangs on it.
    assert {place.partition(":")[0] for place in found} <= {"queues/protocol/scripts.py", "queues/protocol/moving.py"}
