"""What the command line may say: verbs, their arguments and flags, and which function each verb is."""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from queues.console import (
    bulk,
    deploys,
    doctor,
    job,
    keys,
    listing,
    operations,
    search,
    steering,
    tail,
    verify,
    workers,
)
from queues.console.exits import Exit
from queues.console.session import Session
from queues.protocol import codec
from queues.states import BULK_ACTIONS, State

_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
#: How Python holds bytes of the command line that are no UTF-8.
_BYTES = re.compile("[\udc80-\udcff]")
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")


def span_ms(text: str) -> int:
    """“90s”, “1.5h”, “2d” as milliseconds."""
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no span of time: 500ms, 90s, 10m, 2h, 7d, 1w")
    return round(float(found[1]) * _UNITS_MS[found[2]])


def at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 1")
    return int(text)


def json_value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not JSON") from None


def name(typed: str) -> str:
    """A queue's name or a job's id, as Toril writes it where its bytes are no UTF-8."""
    return codec.text(os.fsencode(typed)) if _BYTES.search(typed) else typed


def states(action: str) -> list[str]:
    return sorted(state.value for state in BULK_ACTIONS[action])


@dataclass(frozen=True, slots=True)
class Word:
    """One verb. `is_write`: it takes --dry-run; `asks`: it may touch many, and takes --yes; `is_of_all`: where no
    connection is named, it is of each.
    """

    run: Callable[[Session, Any], Exit]
    arguments: Callable[[argparse.ArgumentParser], None]
    is_write: bool = False
    asks: bool = False
    is_of_all: bool = False


def _nothing(parser: argparse.ArgumentParser) -> None:
    pass


def _queue(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("queue", metavar="QUEUE", type=name)


def _queues(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("queues", metavar="QUEUE", nargs="+", type=name)


def _job(parser: argparse.ArgumentParser) -> None:
    _queue(parser)
    parser.add_argument("job", metavar="JOB", type=name, help="the job's id")


def _show(parser: argparse.ArgumentParser) -> None:
    _job(parser)
    parser.add_argument("--full", action="store_true", help="cut nothing, and show the options too")
    _reveal(parser)


def _add(parser: argparse.ArgumentParser) -> None:
    # What is new is text, and refused where it is none.
    parser.add_argument("queue", metavar="QUEUE")
    parser.add_argument("name", metavar="NAME", help="the job's name")
    parser.add_argument("data", metavar="DATA", nargs="?", help="JSON, @file, or - for standard input ({})")
    parser.add_argument("--job-id", help="an id of your own; where it exists already nothing is added")
    parser.add_argument("--delay", type=span_ms, metavar="SPAN", help="wait so long first: 90s, 10m, 2h, 7d")
    parser.add_argument("--priority", type=int, help="1 runs first, 2097151 last")
    parser.add_argument("--attempts", type=int, help="how often it is tried in all")
    parser.add_argument("--backoff", type=json_value, metavar="JSON", help='milliseconds, or {"type", "delay"}')
    parser.add_argument("--lifo", action="store_true", help="run before the jobs that wait already")
    parser.add_argument("--options", metavar="JSON", help="an object of further options that add() takes")


def _retry(parser: argparse.ArgumentParser) -> None:
    _chosen(parser, "all jobs of --state")
    parser.add_argument("--state", choices=states("retry-all"), default=State.FAILED.value, help="for --all (failed)")


def _promote(parser: argparse.ArgumentParser) -> None:
    _chosen(parser, "all delayed jobs")


def _chosen(parser: argparse.ArgumentParser, everything: str) -> None:
    _queue(parser)
    parser.add_argument("jobs", metavar="JOB", nargs="*", type=name, help="ids of jobs")
    parser.add_argument("--all", action="store_true", help=everything)


def _clean(parser: argparse.ArgumentParser) -> None:
    _queue(parser)
    parser.add_argument("--state", choices=states("clean"), required=True, help="whose jobs are removed")
    parser.add_argument("--older-than", type=span_ms, default=0, metavar="SPAN", help="spare younger ones: 90s, 2h, 7d")
    parser.add_argument("--limit", type=at_least_one, metavar="N", help="remove at most so many")


def _drain(parser: argparse.ArgumentParser) -> None:
    _queue(parser)
    parser.add_argument("--delayed", action="store_true", help="remove the delayed jobs too")


def _tail(parser: argparse.ArgumentParser) -> None:
    _queues(parser)
    parser.add_argument("--type", action="append", metavar="EVENT", help="only such events (repeat for more)")
    parser.add_argument("--count", type=at_least_one, metavar="N", help="end after so many")
    parser.add_argument("--from-start", action="store_true", help="begin with the oldest that is kept, not with now")
    _reveal(parser)


def _reveal(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reveal", action="store_true", help="show secrets as they are stored; this is recorded")


def _workers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--full", action="store_true", help="show every running job that is known")


def _cancel(parser: argparse.ArgumentParser) -> None:
    _job(parser)
    parser.add_argument("--reason", default="", help="what the job fails with (who cancelled it)")
    parser.add_argument("--retry", action="store_true", help="let it be tried again if it has attempts left")


def _processes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("processes", metavar="WORKER", nargs="*", help="names, ids or beginnings of ids")
    parser.add_argument("--all", action="store_true", help="every worker process of the connection")


def _search(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("query", metavar="QUERY", nargs="+", type=name, help="as in the box of the pages; in quotes")
    parser.add_argument(
        "--limit", type=at_least_one, default=search.LIMIT, metavar="N", help=f"show at most N ({search.LIMIT})"
    )


def _doctor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--strict", action="store_true", help="fail for warnings too")


def _verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("queues", metavar="QUEUE", nargs="*", type=name, help="which queues (all)")
    parser.add_argument(
        "--patience",
        type=span_ms,
        default=verify.PATIENCE_MS,
        metavar="SPAN",
        help="what differs is looked at once more after so long; 0s: it is not (3s)",
    )
    parser.add_argument("--limit", type=at_least_one, default=verify.LISTED_AT_MOST, metavar="N", help="name at most N")


def _deploy(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("label", metavar="LABEL", help="what went live: a version, a commit")


def _operations(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("word", metavar="WORD", nargs="?", choices=operations.WORDS, default="list")
    parser.add_argument("number", metavar="NUMBER", nargs="?", type=at_least_one, help="which operation")


VERBS: dict[str, Word] = {
    "list": Word(listing.list_queues, _nothing),
    "counts": Word(listing.counts, _queues),
    "job": Word(job.show, _show),
    "add": Word(job.add, _add, is_write=True),
    "pause": Word(steering.pause, _queues, is_write=True),
    "resume": Word(steering.resume, _queues, is_write=True),
    "retry": Word(bulk.retry, _retry, is_write=True, asks=True),
    "promote": Word(bulk.promote, _promote, is_write=True, asks=True),
    "clean": Word(bulk.clean, _clean, is_write=True, asks=True),
    "drain": Word(bulk.drain, _drain, is_write=True, asks=True),
    "tail": Word(tail.tail, _tail),
    "workers": Word(workers.list_workers, _workers),
    "cancel": Word(workers.cancel, _cancel, is_write=True),
    "quiet": Word(workers.quiet, _processes, is_write=True, asks=True),
    "resume-workers": Word(workers.resume_workers, _processes, is_write=True, asks=True),
    "stop-workers": Word(workers.stop_workers, _processes, is_write=True, asks=True),
    "search": Word(search.find, _search),
    "doctor": Word(doctor.examine, _doctor, is_of_all=True),
    "verify": Word(verify.verify_rows, _verify),
    "operations": Word(operations.steer, _operations, is_write=True),
    "keys": Word(keys.steer, keys.arguments, is_write=True),
    "mark_deploy": Word(deploys.mark, _deploy, is_write=True),
}


def add_verbs(parser: argparse.ArgumentParser) -> None:
    """A subcommand per verb, each with the flags that are everybody's."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, word in VERBS.items():
        about = (word.run.__doc__ or "").strip()
        own = verbs.add_parser(name, help=about, description=about)
        word.arguments(own)
        usual = None if word.is_of_all else "default"
        about = f"which of the configured ({usual or 'each'})"
        own.add_argument("--connection", default=usual, metavar="NAME", help=about)
        own.add_argument("--json", action="store_true", help="one JSON object a line, for programs")
        own.add_argument("--dry-run", action="store_true", help=_dry(word))
        if word.asks:
            own.add_argument("--yes", action="store_true", help="do not ask before many are touched")


def _dry(word: Word) -> str:
    return "say what would be done, and do nothing" if word.is_write else argparse.SUPPRESS
