"""Queues in groups by the delimiter in their names: `mail.eu.out` stands in `mail.eu`, and that in `mail`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dashboard.pages.overview.choosing import Choice
from dashboard.presentation import dashboard_options
from queues.models import Queue
from queues.states import LISTED, State

#: A group of one is no group.
LEAST = 2
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """`queues` stand in it themselves, `everything` also below it. The path of what stands in none is empty."""

    path: str
    label: str
    depth: int
    queues: tuple[Queue, ...]
    everything: tuple[Queue, ...]
    is_closed: bool = False
    is_hidden: bool = False
    is_starred: bool = False

    @property
    def counts(self) -> list[tuple[State, int]]:
        return [(state, sum(queue.count(state) for queue in self.everything)) for state in LISTED]

    @property
    def may_be_paused(self) -> bool:
        return not all(queue.is_paused for queue in self.everything)

    @property
    def may_be_resumed(self) -> bool:
        return any(queue.is_paused for queue in self.everything)

    @property
    def failed(self) -> int:
        return sum(queue.failed for queue in self.everything)


def groups(queues: Sequence[Queue], choice: Choice) -> list[Group]:
    """In the order of the page: favourites, those in no group, then each group before what stands below it."""
    starred = [queue for queue in queues if choice.is_starred(queue)]
    rest = [queue for queue in queues if not choice.is_starred(queue)]
    ordered = choice.ordered(starred)
    found = [Group("", "", 0, tuple(ordered), tuple(ordered), is_starred=True)]
    if not choice.is_tree:
        flat = tuple(choice.ordered(rest))
        return [*found, Group("", "", 0, flat, flat)]
    return found + _grouped(rest, choice)


def members(queues: Iterable[Queue], path: str) -> list[Queue]:
    """The queues of the group that a form names; all of them for the empty path."""
    known = list(queues)
    if not path:
        return known
    return [queue for queue in known if any(shown_path(at) == path for at in ancestors(segments(queue.name)))]


def segments(name: str) -> Path:
    """The name's parts: its own delimiter's, else the site's. A name that begins or ends with one has empty parts."""
    delimiter = dashboard_options().delimiter_of(name)
    return tuple(name.split(delimiter)) if delimiter else (name,)


def ancestors(parts: Path) -> list[Path]:
    """The groups in which a name may stand, its own among them: `mail` stands in `mail`, if others do."""
    return [parts[:length] for length in range(1, len(parts) + 1) if any(parts[:length])]


def shown_path(path: Path) -> str:
    return (dashboard_options().delimiter or ".").join(path)


def _grouped(queues: Sequence[Queue], choice: Choice) -> list[Group]:
    below: Mapping[Path, list[Queue]] = defaultdict(list)
    for queue in queues:
        for path in ancestors(segments(queue.name)):
            below[path].append(queue)
    # Where all of a group's queues stand in one group below it, that one is enough.
    fullest: dict[Path, int] = defaultdict(int)
    for path, found in below.items():
        fullest[path[:-1]] = max(fullest[path[:-1]], len(found))
    kept = {path: found for path, found in below.items() if len(found) >= LEAST and fullest[path] < len(found)}
    home: Mapping[Path, list[Queue]] = defaultdict(list)
    for queue in queues:
        home[max((at for at in ancestors(segments(queue.name)) if at in kept), key=len, default=())].append(queue)
    alone = tuple(choice.ordered(home[()]))
    children: Mapping[Path, list[Path]] = defaultdict(list)
    for path in kept:
        children[_parent(path, kept)].append(path)
    forest = _Forest(choice, kept, home, children)
    return [Group("", "", 0, alone, alone), *_walk((), 1, forest, is_hidden=False)]


@dataclass(frozen=True, slots=True)
class _Forest:
    """Path → everything below it, the queues in it themselves, and its groups."""

    choice: Choice
    kept: Mapping[Path, list[Queue]]
    home: Mapping[Path, list[Queue]]
    children: Mapping[Path, list[Path]]


def _walk(under: Path, depth: int, forest: _Forest, *, is_hidden: bool) -> list[Group]:
    found, choice = [], forest.choice
    for path in _order(forest.children.get(under, []), forest.kept, choice):
        shown, label = shown_path(path), shown_path(path[len(under) :])
        is_closed = shown in choice.closed
        own = tuple(choice.ordered(forest.home.get(path, ())))
        found.append(Group(shown, label, depth, own, tuple(forest.kept[path]), is_closed, is_hidden))
        found += _walk(path, depth + 1, forest, is_hidden=is_hidden or is_closed)
    return found


def _parent(path: Path, kept: Mapping[Path, list[Queue]]) -> Path:
    return next((path[:length] for length in range(len(path) - 1, 0, -1) if path[:length] in kept), ())


def _order(paths: list[Path], kept: Mapping[Path, list[Queue]], choice: Choice) -> list[Path]:
    """By name, or with the first of its queues first."""
    if choice.sort == "name":
        return sorted(paths, reverse=choice.is_reverse)

    def rank(path: Path) -> tuple[bool, float]:
        known = [measure for queue in kept[path] if (measure := choice.measure(queue)) is not None]
        if not known:
            return True, 0.0
        total = max(known) if choice.sort in ("oldest", "failing", "drain") else sum(known)
        return False, total if choice.is_reverse else -total

    return sorted(sorted(paths), key=rank)
