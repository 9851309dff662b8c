"""Keeps the search's tables in step with the rows: a feed with a place of its own, so a search may be late and says so.

What is costly, masking and making terms, is done before the transaction begins: SQLite has one writer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Iterable, Sequence
from hashlib import blake2b

from django.db import connection, transaction
from django.db.models import Max

from queues.lookups.search.entries import Entry, entry
from queues.lookups.search.places import place_of
from queues.mirror.feed import IDLE_S, Feed
from queues.mirror.leader import Leader
from queues.mirror.prune import FORGET, WEIGH, text_bytes
from queues.mirror.sides import LEAST_REST_S
from queues.mirror.vocabulary import Vocabulary
from queues.models import Cursor, Job, SearchDocument, SearchText

log = logging.getLogger(__name__)

#: What terms are made of.
READ = (
    "connection queue job_id timestamp_ms state name data failed_reason stacktrace attempts_made processed_on_ms"
    " finished_on_ms processed_by scheduler_id parent_key removed_at change"
).split()
#: How old the newest row is that is taken in; and the share of its time that this gives to whoever writes rows.
SETTLES_S, REST = 0.75, 1.0
#: A place that is taken: so many others are tried before one far off is taken.
TRIES = 8
#: Parameters of one statement; SQLite takes 32,766 at most, older ones 999.
MOST_ASKED = 500
#: What a job's terms take up in all: so many times their own size, and so much beside (measured: 1.6 to 2.1 times on
#: SQLite, 2 to 3.5 on PostgreSQL; most where no two jobs have a word in common).
INDEX_BYTES = {"sqlite": (1.9, 100), "postgresql": (2.5, 400)}
Indexed = tuple[int, Entry]


class Indexing(Feed):
    """Writes nothing of a row whose terms are as they were."""

    name = "search"

    def __init__(self, leader: Leader) -> None:
        super().__init__(leader)
        self.words = Vocabulary()
        #: When the rows had come how far: (monotonic seconds, change).
        self._seen: deque[tuple[float, int]] = deque()
        self._settled = 0

    async def turn(self) -> float:
        if not await self.database.call(self._look):
            return IDLE_S
        began = time.monotonic()
        taken = await self.database.call(self._some, self._settled)
        await asyncio.sleep(max(LEAST_REST_S, (time.monotonic() - began) * REST))
        return 0.0 if taken else IDLE_S

    def _look(self) -> bool:
        """A job that moves is written several times within a second, and taken in once: when it has come to rest."""
        now = time.monotonic()
        self._seen.append((now, Job.objects.filter(change__gt=0).aggregate(latest=Max("change"))["latest"] or 0))
        while self._seen and self._seen[0][0] <= now - SETTLES_S:
            self._settled = self._seen.popleft()[1]
        return self._is_due()

    def _some(self, until: int | None = None) -> int:
        rows = Job.objects.filter(change__gt=self._at())
        if until is not None:
            rows = rows.filter(change__lte=until)
        jobs = list(rows.order_by("change").only(*READ)[: self.batch])
        if not jobs:
            return 0
        entries = _made(jobs)
        with transaction.atomic():
            self.leader.check()
            # What was pruned since it was read would never be forgotten again.
            there = set(Job.objects.filter(pk__in=[job.pk for job, _ in entries]).values_list("pk", flat=True))
            self._keep([(job, one) for job, one in entries if job.pk in there])
            Cursor.objects.update_or_create(name=self.name, defaults={"at": jobs[-1].change})
        return len(jobs)

    def _is_due(self) -> bool:
        return self._at() < self._settled

    def _keep(self, made: Sequence[tuple[Job, Entry]]) -> None:
        index([(job.pk, one) for job, one in made])
        self.words.learn(made)


def _made(jobs: Sequence[Job]) -> list[tuple[Job, Entry]]:
    """A job of which no terms can be made must not keep the rest from being found."""
    made = []
    for job in jobs:
        try:
            made.append((job, entry(job)))
        except Exception:
            log.exception("job %r of queue %r cannot be searched for", job.job_id, job.queue)
    return made


def index(entries: Sequence[Indexed]) -> None:
    """Inside a transaction."""
    made = {pk: (_digest(pk, one), one) for pk, one in entries}
    known = dict(SearchDocument.objects.filter(job__in=list(made)).values_list("job", "digest"))
    changed = {pk: one for pk, one in made.items() if known.get(pk) != one[0]}
    if not changed:
        return
    _delete([pk for pk in changed if pk in known])
    _insert(changed)
    _keep_texts({pk: one for pk, (_, one) in changed.items()})


def forget(pks: Sequence[int]) -> None:
    """Of rows that go."""
    for start in range(0, len(pks), MOST_ASKED):
        some = list(pks[start : start + MOST_ASKED])
        _delete(some)
        SearchText.objects.filter(job__in=some).delete()


def _delete(pks: Sequence[int]) -> None:
    SearchDocument.objects.filter(job__in=pks).delete()


def _digest(pk: int, one: Entry) -> int:
    told = "\n".join((str(place_of(one.at_ms, pk)), one.error, *sorted(one.tokens)))
    return int.from_bytes(blake2b(told.encode("utf-8", "surrogatepass"), digest_size=8).digest(), signed=True)


def _insert(changed: dict[int, tuple[int, Entry]]) -> None:
    places = _places({pk: place_of(one.at_ms, pk) for pk, (_, one) in changed.items()})
    terms = "array_to_tsvector(string_to_array(%s, ' '))" if connection.vendor == "postgresql" else "%s"
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO toril_searchdocument (place, job, digest, terms) VALUES (%s, %s, %s, {terms})",  # noqa: S608
            [(places[pk], pk, digest, " ".join(one.tokens)) for pk, (digest, one) in changed.items()],
        )


def _places(wanted: dict[int, int]) -> dict[int, int]:
    """Each row's own: the wanted, or one near it where that is another's."""
    found: dict[int, int] = {}
    open_ = dict(wanted)
    for tried in range(TRIES):
        taken = set(found.values()) | _taken(open_.values())
        for pk, place in list(open_.items()):
            if place in taken:
                # The last is as good as free: it differs from every other row's by its key.
                open_[pk] = place + (1 if tried < TRIES - 2 else pk << 16)
                continue
            taken.add(place)
            found[pk] = open_.pop(pk)
        if not open_:
            break
    return found | open_


def _taken(places: Iterable[int]) -> set[int]:
    return set(SearchDocument.objects.filter(place__in=list(places)).values_list("place", flat=True))


def _keep_texts(changed: dict[int, Entry]) -> None:
    rows = SearchText.objects.filter(job__in=list(changed)).values_list("job", "job_id", "name", "error")
    known = {job: texts for job, *texts in rows}
    other = {pk: one for pk, one in changed.items() if known.get(pk) != [one.job_id, one.name, one.error]}
    SearchText.objects.filter(job__in=[pk for pk in other if pk in known]).delete()
    SearchText.objects.bulk_create(
        [SearchText(job=pk, job_id=one.job_id, name=one.name, error=one.error) for pk, one in other.items()]
    )


def weigh(pks: Sequence[int]) -> float:
    """Of one row, on average: its terms as they are kept, as often as the word index holds them again."""
    terms = text_bytes(SearchDocument._meta.db_table, "job", ["terms"], pks)
    times, beside = INDEX_BYTES[connection.vendor]
    return times * terms + beside if terms else 0.0


FORGET.append(forget)
WEIGH.append(weigh)
