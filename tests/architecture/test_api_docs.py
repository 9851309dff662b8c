"""docs/api.md names each setting of the API with its default, and each option that a job may be given."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

from dashboard.api.v1.jobs_adding import Options
from queues.options import ApiOptions

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text()


def test_each_setting_stands_there_with_its_default():
    rows = re.findall(r"^\| `([A-Z_]+)` \|.*\| (\d+) \|$", PAGE, re.MULTILINE)
    assert {key: int(default) for key, default in rows} == {k.upper(): v for k, v in asdict(ApiOptions()).items()}


def test_each_option_of_a_job_stands_there():
    told = PAGE.split("\n`options`:", 1)[1].split("\n\n", 1)[0]
    assert set(Options.model_fields) <= set(re.findall(r"`(\w+)`", told))
