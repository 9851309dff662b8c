"""The names, workers and paths that each queue's jobs have had, for whoever types a search. At most so many of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from django.db import transaction

from queues.lookups.search.entries import Entry
from queues.models import Job, SearchWord

#: Of one kind and queue.
MOST = 200
LONGEST = 200
#: A queue's words are in memory; above this all are forgotten there and read anew.
MOST_KEPT = 200_000
Place = tuple[str, str]
Word = tuple[str, str]


class Vocabulary:
    """Remembers what is stored already, so that most batches ask nothing."""

    def __init__(self) -> None:
        self._known: dict[Place, set[Word]] = {}

    def learn(self, made: Sequence[tuple[Job, Entry]]) -> None:
        """Inside a transaction."""
        new: dict[Place, set[Word]] = {}
        for job, entry in made:
            place = job.connection, job.queue
            new.setdefault(place, set()).update(_words(job, entry))
        for place, words in new.items():
            known = self._of(place)
            if fresh := sorted(words - known):
                self._store(place, known, fresh)

    def _of(self, place: Place) -> set[Word]:
        if place not in self._known:
            if sum(map(len, self._known.values())) > MOST_KEPT:
                self._known.clear()
            rows = SearchWord.objects.filter(connection=place[0], queue=place[1]).values_list("kind", "text")
            self._known[place] = set(rows)
        return self._known[place]

    def _store(self, place: Place, known: set[Word], fresh: Sequence[Word]) -> None:
        counts: dict[str, int] = {}
        for kind, _text in known:
            counts[kind] = counts.get(kind, 0) + 1
        kept = []
        for kind, text in fresh:
            counts[kind] = counts.get(kind, 0) + 1
            if counts[kind] <= MOST:
                kept.append(SearchWord(kind=kind, connection=place[0], queue=place[1], text=text))
        SearchWord.objects.bulk_create(kept, ignore_conflicts=True)
        # Also what found no room: it is not looked at again until all is read anew.
        transaction.on_commit(partial(known.update, fresh))


def _words(job: Job, entry: Entry) -> Iterator[Word]:
    if 0 < len(job.name) <= LONGEST:
        yield "name", job.name
    if worker := job.processed_by.partition(":")[0]:
        yield "worker", worker[:LONGEST]
    for path in entry.paths:
        yield "path", path
