"""What is recorded is called as rights call it, so that the audit is filtered by the names that people grant."""

from __future__ import annotations

import re
from pathlib import Path

from queues.abilities import ACTIONS

ROOM = Path(__file__).parents[2] / "queues" / "actions"
#: Needs `job.retry` in every queue whose jobs it retries; needs what the removal needed that it takes back.
OF_ITS_OWN = {"flow.retry-leaves", "scheduler.restore"}


def test_every_recorded_action_is_one_of_the_table_of_rights() -> None:
    named = re.compile(r'(?:Deed|_record)\(\s*\w+,\s*"([a-z.-]+[a-z_.-]*)"')
    found = {name for path in ROOM.glob("*.py") for name in named.findall(path.read_text())}
    assert len(found) > 15
    assert found - OF_ITS_OWN <= set(ACTIONS), found - OF_ITS_OWN - set(ACTIONS)
