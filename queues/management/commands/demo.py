"""`manage.py demo`: sample traffic for the queues of the five systems."""

from __future__ import annotations

import asyncio
import signal
from argparse import ArgumentParser
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from queues.errors import RedisUnavailable, TorilError
from queues.options import get_options
from queues.protocol.connections import close_wires
from queues.systems.schedules import schedule
from queues.systems.traffic import Traffic

REFUSAL = (
    "Sample jobs are added to the embedded Redis only, for {url} may hold a team's own jobs;"
    " set TORIL_DEMO=1 to add them there all the same."
)


def rate(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1_000:
        raise ValueError
    return value


def count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError
    return value


class Command(BaseCommand):
    help = "Add believable sample jobs to the queues of the five systems until interrupted."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--rate", type=rate, default=2.0, help="jobs per second on average, 0 to 1000 (2)")
        parser.add_argument("--burst", type=count, default=0, help="jobs to add at once at the start (0)")
        parser.add_argument("--seed", type=int, help="make up the same jobs as another run with this number")

    def handle(self, *args: Any, **options: Any) -> None:
        if not get_options().use_job_queue:
            raise CommandError("USE_JOB_QUEUE is false: jobs run in the process that adds them, there is no queue.")
        if not getattr(settings, "DEMO", False):
            raise CommandError(REFUSAL.format(url=get_options().connection().safe_url))
        try:
            asyncio.run(self.add_jobs(options["rate"], options["burst"], options["seed"]))
        except TorilError as error:
            raise CommandError(str(error)) from error

    async def add_jobs(self, rate: float, burst: int, seed: int | None) -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        traffic = Traffic(rate, seed, self.say)
        self.say(f"Adding about {rate:g} jobs a second to the sample queues; Ctrl-C ends it.")
        try:
            with suppress(RedisUnavailable):
                await schedule()
            await traffic.run(stop, burst)
        finally:
            await close_wires()
        self.say(f"Added {traffic.added} jobs.")

    def say(self, sentence: str) -> None:
        self.stdout.write(sentence)
        self.stdout.flush()
