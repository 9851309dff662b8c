"""USE_JOB_QUEUE=false in a Django project with settings of its own: SQLite as Django sets it up by itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.stand import ROOT

pytestmark = pytest.mark.acceptance

#: Its second run finds the queue's row, so each add reads before it writes, while the first one's runner writes.
PROGRAM = """
import sys
import django
from django.conf import settings
from django.core.management import call_command

settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "queues"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1]}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
    TORIL={"USE_JOB_QUEUE": False},
)
django.setup()
call_command("migrate", verbosity=0)
from queues import processor, queue

@processor("mails", concurrency=5)
def send(job):
    job.log("sent")
    return job.data

for turn in range(2):
    added = [queue("mails").sync.add("welcome", number) for number in range(10)]
    assert [job.sync.result(20) for job in added] == list(range(10))
"""


def test_two_processes_add_and_run_jobs_on_a_database_with_djangos_own_options(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "db.sqlite3")]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120).stderr == ""
    both = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
