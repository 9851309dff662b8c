"""The mirror's index, asked: places of jobs newest first, how many there are, and all of them at one moment.

Synchronous. SQLite walks its word index backwards and stops when the page is full. PostgreSQL can walk in order or look
words up, not both: which is quicker is found by trying the newest, then by its own estimate.
"""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import connection

from queues.lookups.search.expressions import PAYLOADS, Between, Contains, Without, parts_of
from queues.lookups.search.matches import FTS5, TSQUERY, match
from queues.lookups.search.places import first_place
from queues.lookups.search.query import Query
from queues.lookups.search.seen import Seen

#: PostgreSQL: so many of the newest are looked at one by one; up to so many estimated matches are sorted.
NEWEST, MOST_SORTED = 10_000, 40_000
#: So few are counted even where a page is full already.
FEW = 5_000
#: SQLite: so many rows that hold the characters are taken from their own index first.
MOST_WITHIN = 30_000
MOST_LOOKED_INTO = 200
_GRAMS = "FROM toril_search_grams g WHERE g.toril_search_grams MATCH %s"
_LIKE = re.compile(r"[\\%_]")
_HOLDS = {"sqlite": "instr(t.{}, %s)", "postgresql": "t.{} LIKE %s"}
_LOOKED_FOR: dict[str, Callable[[str], str]] = {
    "sqlite": str,
    "postgresql": lambda text: f"%{_LIKE.sub(_escaped, text)}%",
}
FETCHED = 10_000
#: SQLite: terms with one beginning that are asked for one by one.
MOST_BEGUN = 128
Hit = tuple[int, int]


def _escaped(found: re.Match[str]) -> str:
    return f"\\{found[0]}"


@dataclass(frozen=True, slots=True)
class Asked:
    """A query as SQL: what the word index is asked, places from `first` on and `below`, and what stands beside."""

    match: str
    first: int | None = None
    below: int | None = None
    conditions: Sequence[str] = ()
    held: Sequence[Any] = ()

    def bounds(self, column: str) -> str:
        lower = f" AND {column} >= {int(self.first)}" if self.first is not None else ""
        return lower + (f" AND {column} < {int(self.below)}" if self.below is not None else "")

    @property
    def beside(self) -> str:
        return "".join(f" AND {condition}" for condition in self.conditions)


def asked(query: Query, seen: Seen) -> Asked | None:
    """None where nothing can match."""
    told = match(query.root, seen, replace(FTS5, begun=_begun) if connection.vendor == "sqlite" else TSQUERY)
    if told is None:
        return None
    parts = parts_of(query.root)
    within = [_within(part.text, _places(part, seen)) for part in parts if isinstance(part, Contains)]
    denied = [part.of for part in parts if isinstance(part, Without)]
    within += [
        _not(*_within(part.text, places))
        for part in denied
        if isinstance(part, Contains) and (places := _places(part, seen, is_denied=True))
    ]
    return Asked(
        told,
        _most(max, [part.from_ms for part in parts if isinstance(part, Between)]),
        _most(min, [part.until_ms for part in parts if isinstance(part, Between)]),
        [condition for condition, _ in within],
        [value for _, values in within for value in values],
    )


def _begun(token: str) -> str:
    """Terms that begin so. SQLite gathers whatever is under a beginning before it gives one row; under few terms it is
    far quicker asked for each of them.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT term FROM toril_search_vocabulary WHERE term >= %s AND term < %s LIMIT {MOST_BEGUN + 1}",  # noqa: S608
            [token, token[:-1] + chr(ord(token[-1]) + 1)],
        )
        terms = [term for (term,) in cursor.fetchall()]
    if len(terms) > MOST_BEGUN:
        return FTS5.begun(token)
    return f"({' OR '.join(map(FTS5.term, terms))})" if len(terms) > 1 else FTS5.term(terms[0] if terms else token)


def _not(condition: str, values: list[Any]) -> tuple[str, list[Any]]:
    return f"NOT {condition}", values


def _most(pick: Callable[[list[int]], int], moments: Sequence[int | None]) -> int | None:
    known = [first_place(moment) for moment in moments if moment is not None]
    return pick(known) if known else None


def _places(part: Contains, seen: Seen, *, is_denied: bool = False) -> list[str]:
    """Where to look. Of errors that are read in some queues only, too much is let through, and looked at once more."""
    reads = seen.payloads is None if is_denied else seen.payloads is None or bool(seen.payloads)
    return [place for place in part.places if reads or place not in PAYLOADS]


def _within(text: str, places: Sequence[str]) -> tuple[str, list[Any]]:
    """Rows that hold it, or most of whose characters they hold: each is looked at once more, of few or of all."""
    if not places:
        return "d.job IS NULL", []
    held = " OR ".join(f"{_HOLDS[connection.vendor].format(place)}" for place in places)
    looked = f"EXISTS (SELECT 1 FROM toril_searchtext t WHERE t.job = d.job AND ({held}))"  # noqa: S608
    values: list[Any] = [_LOOKED_FOR[connection.vendor](text)] * len(places)
    if connection.vendor != "sqlite":
        return looked, values
    three = dict.fromkeys(text[at : at + 3] for at in range(len(text) - 2))
    grams = " AND ".join(map(FTS5.term, three))
    if _are_many(grams):
        return looked, values
    return f"(d.job IN (SELECT g.rowid {_GRAMS}) AND {looked})", [grams, *values]


def _are_many(grams: str) -> bool:
    """Then walking all jobs, newest first, comes to some of these soon."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM (SELECT 1 {_GRAMS} LIMIT {MOST_WITHIN})", [grams])  # noqa: S608
        return bool(cursor.fetchone()[0] == MOST_WITHIN)


def newest(asked: Asked, before: int | None, count: int, most: int) -> tuple[list[Hit], bool]:
    """(place, row) of jobs whose places are less, greatest first: at least `count` of them if there are so many, at
    most `most`. And whether these are all there are.
    """
    if before is not None:
        asked = replace(asked, below=min(before, asked.below) if asked.below is not None else before)
    if asked.conditions:
        # Each row is looked into: no more of them than a page needs, and a few to count.
        most = max(count, MOST_LOOKED_INTO)
    return _sqlite(asked, most) if connection.vendor == "sqlite" else _postgresql(asked, count, most)


def every(asked: Asked) -> array[int]:
    """The rows that match, in one statement: as they were at one moment."""
    found = array("q")
    with connection.cursor() as cursor:
        cursor.execute(_select(asked, "d.job", ""), [asked.match, *asked.held])
        while rows := cursor.fetchmany(FETCHED):
            found.extend(row[0] for row in rows)
    return found


def _select(asked: Asked, columns: str, tail: str) -> str:
    if connection.vendor == "sqlite":
        # CROSS: the word index leads, and walks its places in order.
        return (
            f"SELECT {columns} FROM toril_search_terms f CROSS JOIN toril_searchdocument d ON d.place = f.rowid"  # noqa: S608
            f" WHERE f.toril_search_terms MATCH %s{asked.bounds('f.rowid')}{asked.beside}{tail}"
        )
    where = f"d.terms @@ %s::tsquery{asked.bounds('d.place')}{asked.beside}"
    return f"SELECT {columns} FROM toril_searchdocument d WHERE {where}{tail}"  # noqa: S608


def _rows(sql: str, asked: Asked) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, [asked.match, *asked.held])
        return list(cursor.fetchall())


def _sqlite(asked: Asked, most: int) -> tuple[list[Hit], bool]:
    hits = _rows(_select(asked, "d.place, d.job", f" ORDER BY f.rowid DESC LIMIT {int(most)}"), asked)
    return hits, len(hits) < most


def _postgresql(asked: Asked, count: int, most: int) -> tuple[list[Hit], bool]:
    hits = _among_newest(asked, most)
    if len(hits) >= most:
        return hits, False
    estimated = _estimated(asked)
    if len(hits) >= count and estimated > FEW:
        return hits, False
    if estimated > MOST_SORTED:
        hits = _rows(_select(asked, "d.place, d.job", f" ORDER BY d.place DESC LIMIT {int(count)}"), asked)
        return hits, len(hits) < count
    looked_up = _select(asked, "d.place, d.job", "")
    tail = f" ORDER BY d.place DESC LIMIT {int(most)}"
    hits = _rows(f"WITH d AS MATERIALIZED ({looked_up}) SELECT d.place, d.job FROM d{tail}", asked)  # noqa: S608
    return hits, len(hits) < most


def _among_newest(asked: Asked, most: int) -> list[Hit]:
    """Of the newest rows those that match: where they fill a page, no more is needed."""
    newest = (
        f"SELECT place, job, terms FROM toril_searchdocument WHERE true{asked.bounds('place')}"  # noqa: S608
        f" ORDER BY place DESC LIMIT {NEWEST}"
    )
    where = f"d.terms @@ %s::tsquery{asked.beside} ORDER BY d.place DESC LIMIT {int(most)}"
    return _rows(f"SELECT d.place, d.job FROM ({newest}) d WHERE {where}", asked)  # noqa: S608


def _estimated(asked: Asked) -> int:
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (FORMAT JSON) " + _select(asked, "1", ""), [asked.match, *asked.held])
        told = cursor.fetchone()[0]
    plan = json.loads(told) if isinstance(told, str) else told
    return int(plan[0]["Plan"]["Plan Rows"])
