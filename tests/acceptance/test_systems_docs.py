"""docs/systems: every request runs as it is written, against the real web and workers, and is answered as it says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import RedisServer
from tests.eventually import eventually_sync
from tests.inprocess import ClosedPort
from tests.stand import ROOT, Stand

pytestmark = pytest.mark.acceptance

DOCS = ROOT / "docs" / "systems"
BLOCK = re.compile(r"^```(sh|json|python)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SECRET = "a secret of thirty-two characters and more"
TOKENS = {
    "JWT_ISSUER": "research",
    "JWT_AUDIENCE": "toril",
    "JWT_SECRET": SECRET,
    "JWT_OWN": "userId=sub",
    "JWT_GIVES": "view,view_payload,add",
    "JWT_QUEUES": "chat,deep-research",
}
MARK = "-- end of a block --"


def blocks(page: str) -> list[tuple[str, str]]:
    """An answer is the JSON right after a request; other JSON only tells of something."""
    text, last, found = (DOCS / page).read_text(), 0, []
    for match in BLOCK.finditer(text):
        kind = "answer" if match[1] == "json" and not text[last : match.start()].strip() else match[1]
        found.append((kind, match[2]))
        last = match.end()
    return found


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer) -> Iterator[Stand]:
    folder = tmp_path_factory.mktemp("systems")
    opened = Stand(
        folder,
        redis_server.url,
        f"docs{folder.name}",
        DJANGO_SETTINGS_MODULE="tests.systems_settings",
        TORIL_DEMO="1",
        **TOKENS,
    )
    opened.workers()
    opened.web()
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def environ(stand: Stand) -> dict[str, str]:
    """What docs/systems/README.md sets, by the command that stands there."""
    setting = next(text for _kind, text in blocks("README.md") if "export KEY" in text)
    found = shell(stand, setting.replace("http://127.0.0.1:8000", stand.address) + "echo $TORIL $KEY", {})
    address, key = found.split()
    assert address == stand.address
    assert key.startswith("toril_")
    return {"TORIL": address, "KEY": key}


def shell(stand: Stand, script: str, environ: dict[str, str], folder: Path | None = None) -> str:
    # As in a virtualenv that is switched on: `python` is this one.
    path = f"{Path(sys.executable).parent}:{stand.environ['PATH']}"
    # Into files: a reader of events that is left behind would keep pipes open.
    with (stand.folder / "shell.out").open("w") as out, (stand.folder / "shell.err").open("w") as err:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=folder or ROOT,
            env={**stand.environ, **environ, "PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            timeout=300,
        )
    said, complained = ((stand.folder / f"shell.{name}").read_text() for name in ("out", "err"))
    assert done.returncode == 0, f"{script}\n{said[-3000:]}\n{complained[-3000:]}\n{stand.log('web')[-2000:]}"
    return said


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md") if path.name != "README.md"))
def test_the_requests_of_a_page_are_answered_as_it_says(
    stand: Stand, environ: dict[str, str], tmp_path: Path, page: str
) -> None:
    for name in ("docs", "manage.py"):
        (tmp_path / name).symlink_to(ROOT / name)
    told = blocks(page)
    scripts = [text for kind, text in told if kind == "sh"]
    # One shell for the whole page: a variable that one block sets is there in the next.
    said = shell(stand, f"\necho; echo '{MARK}'\n".join(scripts), environ, tmp_path).split(MARK)
    answers = iter(said)
    for kind, text in told:
        if kind == "sh":
            answer = next(answers)
        elif kind == "answer":
            differences = list(differing(json.loads(text), json.loads(answer.strip().splitlines()[-1])))
            assert differences == [], f"{text}\n{answer}"


def differing(told: Any, found: Any, place: str = "$") -> Iterator[str]:
    """Where an answer is not what the page says: same keys, same kinds; `…` stands for any text, a number for any."""
    if isinstance(told, dict) and isinstance(found, dict):
        if told.keys() != found.keys():
            yield f"{place}: {sorted(told.keys() ^ found.keys())}"
        for name in told.keys() & found.keys():
            yield from differing(told[name], found[name], f"{place}.{name}")
    elif isinstance(told, list) and isinstance(found, list):
        for number, one in enumerate(found):
            yield from differing(told[min(number, len(told) - 1)], one, f"{place}[{number}]")
    elif not is_as(told, found):
        yield f"{place}: {found!r} is not {told!r}"


def is_as(told: Any, found: Any) -> bool:
    if isinstance(told, str) and isinstance(found, str):
        return fnmatchcase(found, re.sub(r"([\[*?])", r"[\1]", told).replace("…", "*"))
    if isinstance(told, int | float) and not isinstance(told, bool):
        return isinstance(found, int | float) and not isinstance(found, bool)
    return bool(told == found)


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md")))
def test_the_code_of_a_page_runs(page: str) -> None:
    for kind, text in blocks(page):
        if kind == "python":
            exec(compile(text, page, "exec"), {})  # noqa: S102


def test_what_workers_of_the_systems_wrote_is_there_when_redis_has_dropped_the_job(
    stand: Stand, environ: dict[str, str]
) -> None:
    with httpx.Client(base_url=stand.address, headers={"Authorization": f"Bearer {environ['KEY']}"}) as client:
        told = {"text": "Great, thanks.", "webhookUrl": "https://hooks.northwind.example/done"}
        job = client.post("/v1/jobs/sentiment", json=told).json()
        path = f"/v1/jobs/{job['id']}"
        eventually_sync(lambda: client.get(path).json()["status"] == "SUCCEEDED", 60)
        webhooks = "/v1/admin/queue/metrics?queue=webhooks"
        eventually_sync(lambda: client.get(webhooks).json().get("completed") == 1, 60)
        stand.manage("queues", "clean", "ai-jobs", "--state", "completed", "--yes")
        assert client.get("/api/queue/status", params={"queue": "ai-jobs", "jobId": job["id"]}).status_code == 404
        found = client.get(path).json()
        assert (found["status"], found["output"]["sentiment"]) == ("SUCCEEDED", "positive")
        assert found["tokenUsed"]


def test_without_a_queue_the_web_alone_does_every_kind_of_text(tmp_path: Path) -> None:
    port = ClosedPort()
    alone = Stand(
        tmp_path,
        port.url,
        "none",
        DJANGO_SETTINGS_MODULE="tests.systems_settings",
        TORIL_DEMO="1",
        USE_JOB_QUEUE="false",
    )
    try:
        alone.web()
        key = alone.manage("queues", "keys", "add", "try", "--may", "view,add").strip()
        said = shell(alone, f"docs/systems/try-ai-jobs {key} {alone.address}", {})
        assert sorted(line.split()[:2] for line in said.splitlines()) == [
            [kind, "SUCCEEDED"] for kind in ("classify", "extract", "sentiment", "summarize", "translate")
        ]
        health = httpx.get(f"{alone.address}/api/health").json()
        assert health["jobQueue"] == {"enabled": False, "redis": "disabled"}
    finally:
        alone.close()
        dialled = port.was_dialled()
        port.close()
    assert not dialled, "somebody spoke to Redis"
