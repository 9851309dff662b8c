"""Discovered by the workers: importing these modules registers the sample processors of the five systems."""

from queues.systems import documentation, hooks, papers, platform, research, scans
from queues.systems.hooks import webhook_secret
from queues.systems.llm_options import llm_options
from queues.systems.sample import check_places

__all__ = ["documentation", "hooks", "papers", "platform", "research", "scans"]

check_places()
# A wrong variable stops the start, and not the first job.
llm_options()
webhook_secret()
