"""What a job is found by: its terms, its moment and the few texts that are searched within. Secrets are masked first,
so nobody finds one by searching.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

from queues.fingerprints import latest_stack
from queues.lookups.filters import since_ms
from queues.lookups.search.fields import Leaf, leaves
from queues.lookups.search.words import flat, fold, split_words, value, words
from queues.masking import MASK, mask_json, mask_text
from queues.models import Job
from queues.stacks import headline, kind_of
from queues.states import State

#: Words of the data come from its beginning, fields from a little more.
WORDS_WITHIN, FIELDS_WITHIN = 1024, 8 * 1024
#: Of errors, names and ids, of which none is longer but by malice.
ERROR_WITHIN = 2 * 1024
MOST_FIELDS, MOST_WORDS, MOST_WORDS_OF_FIELD = 64, 200, 8
LONGEST_PATH = 100
#: A longer name is read anew each time.
LONGEST_KEPT = 200
#: Attempts are told apart up to here.
MOST_ATTEMPTS = 100
#: A job's name, id and error as they are searched within.
LONGEST_TEXT = 300
#: Every job has it: what all of a search's parts exclude from.
ANY = "x=any"
WORKER_JOINTS = re.compile(r"[:@/ ]")


@dataclass(frozen=True, slots=True)
class Entry:
    """`tokens` with payload terms among them (`is_payload`); the texts are folded, the error's first line is masked."""

    tokens: frozenset[str]
    at_ms: int
    job_id: str
    name: str
    error: str
    #: As they are written in the data.
    paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Texts:
    """What phrases are looked for in: folded, masked, on one line each."""

    job_id: str
    name: str
    error: str
    data: str


def moment_ms(job: Job) -> int:
    """When something last happened to it: it ended, it was started, else it was added."""
    return since_ms(job, State(job.state))


def right(connection: str, queue: str) -> str:
    """The term of one very queue, by its exact name: what rights are asked by, never what somebody typed."""
    return "r=" + blake2b(f"{connection}\0{queue}".encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def entry(job: Job) -> Entry:
    error, data = masked_error(job), masked_data(job)
    found = list(leaves(data)) if data else []
    tokens = {ANY, *_columns(job), *_error_terms(f"{error_kind(job)} {error}"), *_data_terms(data, found)}
    line = error.split("\n", 1)[0]
    paths = dict.fromkeys(leaf.path for leaf in found[:MOST_FIELDS] if _is_shown(leaf.path))
    within = _within(job.job_id), _within(job.name), _within(line)
    return Entry(frozenset(tokens), moment_ms(job), *within, tuple(paths))


def _is_shown(path: str) -> bool:
    """Whether it may be suggested: half a character, or one that moves a cursor, is no name."""
    return 0 < len(path) <= LONGEST_PATH and path.isprintable()


def texts(job: Job) -> Texts:
    data = "\n".join(leaf.value for leaf in leaves(masked_data(job))) or masked_data(job)[:WORDS_WITHIN]
    return Texts(flat(job.job_id), flat(job.name), flat(masked_error(job)), flat(data))


def masked_data(job: Job) -> str:
    return mask_json(job.data[:FIELDS_WITHIN]) if len(job.data) > 2 else ""


def masked_error(job: Job) -> str:
    return mask_text(job.failed_reason[:ERROR_WITHIN]) if job.failed_reason else ""


def error_kind(job: Job) -> str:
    """The type that its newest stack names: Python's workers store a message without it."""
    if job.error_kind is None:
        is_told = job.failed_reason and job.stacktrace
        job.error_kind = kind_of(headline(latest_stack(job.stacktrace))[:LONGEST_TEXT]) if is_told else ""
    return job.error_kind


def _within(text: str) -> str:
    return fold(text[:LONGEST_TEXT])[:LONGEST_TEXT]


def _columns(job: Job) -> Iterator[str]:
    """What everybody may search who sees the queue."""
    yield from _of_queue(job.connection, job.queue)
    yield from _of_name(job.name) if len(job.name) < LONGEST_KEPT else _of_name.__wrapped__(job.name)
    yield f"st={job.state}"
    yield f"i={value(job.job_id)}"
    for word in words(job.job_id[:ERROR_WITHIN])[:MOST_WORDS]:
        yield f"p={word}"
    for n in range(1, min(job.attempts_made, MOST_ATTEMPTS) + 1):
        yield f"a={n}"
    if job.processed_by:
        first, *longer = _beginnings(job.processed_by)
        yield f"w={value(first)}"
        yield from (f"ww={value(name)}" for name in longer)
    if job.scheduler_id:
        yield f"sch={value(job.scheduler_id)}"
    if job.parent_key:
        yield "x=child"
    yield "x=live" if job.removed_at is None else "x=removed"


@lru_cache(maxsize=2048)
def _of_queue(connection: str, queue: str) -> tuple[str, ...]:
    return right(connection, queue), f"c={value(connection)}", f"q={value(queue)}"


@lru_cache(maxsize=4096)
def _of_name(name: str) -> tuple[str, ...]:
    found = split_words(name[:ERROR_WITHIN])[:MOST_WORDS]
    return f"nn={value(name)}", *[f"n={word}" for word in found], *[f"p={word}" for word in found]


def _beginnings(name: str) -> list[str]:
    """`web-3:4711:ab` is found by `web-3` and by `web-3:4711` too."""
    return [name[: joint.start()] for joint in WORKER_JOINTS.finditer(name[:200]) if joint.start()] + [name]


def _error_terms(error: str) -> Iterator[str]:
    return (f"e={word}" for word in split_words(error)[:MOST_WORDS])


def _data_terms(data: str, found: list[Leaf]) -> Iterator[str]:
    kept = [leaf.value for leaf in found if leaf.at < WORDS_WITHIN]
    yield from words("\n".join(kept) if kept else data[:WORDS_WITHIN])[:MOST_WORDS]
    for leaf in found[:MOST_FIELDS]:
        yield from field_terms(leaf)


def field_terms(leaf: Leaf) -> Iterator[str]:
    path = field_path(leaf.path)
    if not path:
        return
    yield f"f={path}"
    if MASK in leaf.value:
        return
    yield f"d={path}={value(leaf.value)}"
    if leaf.is_text and " " in leaf.value:
        yield from (f"d={path}={word}" for word in words(leaf.value[:200])[:MOST_WORDS_OF_FIELD])


@lru_cache(maxsize=4096)
def field_path(path: str) -> str:
    """Empty where it is too long for a term."""
    return value(path) if len(path) <= LONGEST_PATH else ""
