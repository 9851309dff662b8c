"""docs/in-process.md says the times that the code keeps, and refuses what the code refuses."""

import re
from pathlib import Path

from queues.inprocess.carrier import InProcessCarrier, NotInProcess
from queues.inprocess.presence import BEAT_S, LASTS_S
from queues.inprocess.runner import GRACE_S
from queues.options.values import LOCAL_CONNECTION

ROOT = Path(__file__).resolve().parents[2]
PAGE = " ".join((ROOT / "docs" / "in-process.md").read_text().split())


def test_its_times_are_those_of_the_code() -> None:
    assert f"({LASTS_S:g} s, renewed every {BEAT_S:g} s)" in PAGE
    assert f"running jobs get {GRACE_S:g} s" in PAGE


def test_its_words_are_those_of_the_code_and_the_pages() -> None:
    assert f"the code `{NotInProcess.code}`" in PAGE
    assert f"connection name `{LOCAL_CONNECTION}`" in PAGE
    page = (ROOT / "templates" / "base.html").read_text()
    sentence = re.search(r"<p class=\"notice\">(?:{% translate \")?(Jobs run.*?)(?:\" %})?</p>", page)
    assert sentence
    assert f"“{sentence[1]}”" in PAGE


def test_a_carrier_for_in_process_has_every_method_of_the_protocol() -> None:
    from queues.producer.carrier import Carrier

    asked = {name for name in vars(Carrier) if not name.startswith("_")}
    assert asked <= set(dir(InProcessCarrier))
