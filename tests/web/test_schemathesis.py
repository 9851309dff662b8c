"""Toril's own API behind a real server: the requests of its page and of the README as they stand there, and a fuzzer
over all of it.

`bin/bench api` is the long run.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import RedisServer
from tests.fuzzing import Fuzz, words
from tests.stand import ROOT, Stand

BLOCK = re.compile(r"^```(sh|json)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = "=== the next block ==="
#: Per person; half of them with what does not fit.
REQUESTS = 110


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer) -> Iterator[Stand]:
    folder = tmp_path_factory.mktemp("api")
    told = {"DJANGO_SETTINGS_MODULE": "tests.fuzz_settings", "CHAT_QUEUE_CONCURRENCY": "500"}
    opened = Stand(folder, redis_server.url, f"api{folder.name}", **told)
    try:
        opened.workers("--drain-timeout", "0")
        opened.mirror()
        opened.web()
        yield opened
    finally:
        opened.close()


@pytest.mark.parametrize("document", ["docs/api.md", "README.md"])
def test_the_requests_of_a_page_are_answered_as_it_says(stand: Stand, tmp_path: Path, document: str) -> None:
    (tmp_path / "manage.py").symlink_to(ROOT / "manage.py")
    told = BLOCK.findall((ROOT / document).read_text().replace("http://localhost:8000", stand.address))
    script = f"\necho; echo '{MARK}'\n".join(text for kind, text in told if kind == "sh")
    path = f"{Path(sys.executable).parent}:{stand.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env={**stand.environ, "TORIL": stand.address, "PATH": path},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}\n{stand.log('web')[-2000:]}"
    answers = iter(done.stdout.split(MARK))
    for kind, text in told:
        if kind == "sh":
            answer = next(answers).strip()
        else:
            found = json.loads(answer.splitlines()[-1])
            assert list(differing(json.loads(text), found)) == [], f"{text}\n{answer}"


def differing(told: Any, found: Any, place: str = "$") -> Iterator[str]:
    """Where an answer is not what the page says; it may say more. `…` stands for any text."""
    if isinstance(told, dict) and isinstance(found, dict):
        for name, each in told.items():
            yield from differing(each, found.get(name, "(absent)"), f"{place}.{name}")
    elif isinstance(told, list) and isinstance(found, list) and len(told) == len(found):
        for number, each in enumerate(told):
            yield from differing(each, found[number], f"{place}[{number}]")
    elif isinstance(told, str) and isinstance(found, str):
        if not fnmatchcase(found, re.sub(r"([\[*?])", r"[\1]", told).replace("…", "*")):
            yield f"{place}: {found!r} is not {told!r}"
    elif told != found:
        yield f"{place}: {found!r} is not {told!r}"


@pytest.mark.parametrize("user", ["ana", "vera"])
def test_no_request_of_a_fuzzer_breaks_the_api_or_gets_what_the_document_does_not_know(
    stand: Stand, user: str, record_property: Any
) -> None:
    fuzz = Fuzz(stand, user)
    report = fuzz.run(REQUESTS)
    told = "\n".join(words(report))
    record_property("figures", told.splitlines()[0])
    assert report.failures == {}, f"{told}\n{stand.log('web')[-4000:]}"
    assert report.count(500) == 0, told
    if user == "ana":
        assert len(report.answered) >= 0.8 * len(report.statuses), told
