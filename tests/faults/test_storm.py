"""Everything broken at once, for seconds: `bin/bench faults` does it for ten minutes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.faults.storm.running import storm

pytestmark = pytest.mark.acceptance


async def test_of_a_storm_over_all_its_parts_an_installation_gives_a_clean_account(tmp_path: Path, record_property):
    """No job lost or stuck, none repeated without a reason; rows as Redis holds them; acts, operations, webhooks and
    alerts once each; programs told of every ending; every page answers, and nobody started anything by hand.
    """
    seed = int(os.environ.get("STORM_SEED", "11"))
    account = await storm(tmp_path, seconds=0, rate=60, seed=seed, pause_s=0.1, brief=True)
    record_property("figures", json.dumps(account.figures, ensure_ascii=False))
    assert account.broken == []
    assert account.figures["faults"] >= 12
