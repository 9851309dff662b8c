"""The app whose jobs.py holds the processors that are raced."""

from django.apps import AppConfig


class PeersConfig(AppConfig):
    name = "tests.bench.peers"
    label = "bench_peers"
