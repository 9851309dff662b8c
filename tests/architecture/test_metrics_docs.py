"""docs/metrics.md says what is recorded: keys, bounds, times and steps."""

from __future__ import annotations

import re
from pathlib import Path

from queues import histogram
from queues.lookups.history import RANGES
from queues.mirror.samples import AGAIN, SETTLE_MS
from queues.protocol import samples
from queues.protocol.keys import SampleKeys
from queues.worker.recorder import DELIVER_EVERY_S

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "metrics.md").read_text()
FLAT = " ".join(PAGE.split())


def test_the_keys_in_redis_are_those_that_are_written() -> None:
    told = set(re.findall(r"^\| `<prefix>(::{toril}:[^`]+)`", PAGE, re.MULTILINE))
    on = SampleKeys("p")
    made = {
        on.minute(1).replace(b"1", b"<minute>"),
        on.figures(1, "<queue>", "<name>").replace(b"1", b"<minute>"),
        on.names("<queue>"),
        on.delivery("<process>"),
        on.totals("<queue>"),
    }
    assert told == {key.decode().removeprefix("p") for key in made}


def test_the_bounds_are_those_of_the_code() -> None:
    assert f"expire after **{samples.KEPT_S // 3600} hours**" in FLAT
    assert f"Of a queue {samples.MOST_NAMES} are told apart" in FLAT
    assert f"kept as far as {samples.LONGEST_NAME} characters" in FLAT
    assert f"`{samples.REST}`" in FLAT
    assert f"`{samples.NAMELESS}`" in FLAT
    assert f"within **{histogram.ERROR:.2%}**".replace("%", " %") in FLAT
    assert f"delivers every {DELIVER_EVERY_S:g} s" in FLAT
    assert f"some {SETTLE_MS // 1000} s after its end" in FLAT
    assert {3: "looks at the three before it once more"}[AGAIN] in FLAT


def test_the_ranges_are_those_of_the_page() -> None:
    *shorter, longest = [re.sub(r"(\d+)", r"\1 ", name) for name in RANGES]
    assert f"{', '.join(shorter)} or {longest}" in FLAT
