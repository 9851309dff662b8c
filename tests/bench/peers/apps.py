"""The app whose jobs.py holds the processors that are raced."""

import os

from django.apps import AppConfig


class PeersConfig(AppConfig):
    name = "tests.bench.peers"
    label = "bench_peers"

    def ready(self) -> None:
        if pace := os.environ.get("WEEK_IN_S"):
            from tests.bench.peers.week import hurry

            hurry(float(pace))
