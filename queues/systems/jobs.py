"""Discovered by the workers: importing these modules registers the sample processors of the five systems."""

from queues.systems import documentation, papers, platform, research, scans
from queues.systems.sample import check_places

__all__ = ["documentation", "papers", "platform", "research", "scans"]

check_places()
