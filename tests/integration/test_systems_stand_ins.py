"""`TORIL_SYSTEMS`: a team's own functions in place of the samples, as a settings module of its own says."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SHOW = """
import json, django
django.setup()
from queues.processors import autodiscover, registry
autodiscover()
print(json.dumps({q: {n or "": p.path for n, p in registry.of(q).items()} for q in registry.queues()}))
"""


def discovered(folder: Path, stand_ins: dict[str, object]) -> subprocess.CompletedProcess[str]:
    (folder / "own_settings.py").write_text(f"from dashboard.settings import *\nTORIL_SYSTEMS = {stand_ins!r}\n")
    (folder / "own_work.py").write_text("NUMBER = 5\ndef run(job): pass\nasync def run_async(job): pass\n")
    environ = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "own_settings",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}",
        "SECRET_KEY": "tests-only",
        "VAR_DIR": str(folder),
        "REDIS_URL": "redis://redis.example",
        "TORIL_DEMO": "1",
    }
    return subprocess.run([sys.executable, "-c", SHOW], env=environ, cwd=ROOT, capture_output=True, text=True)


def processors(folder: Path, stand_ins: dict[str, object]) -> dict[str, dict[str, str]]:
    done = discovered(folder, stand_ins)
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, str]] = json.loads(done.stdout)
    return found


def test_every_queue_has_its_sample_and_ai_jobs_one_for_each_type(tmp_path: Path) -> None:
    from queues.systems.settings import QUEUES

    found = processors(tmp_path, {})
    assert set(found) == set(QUEUES)
    assert set(found["ai-jobs"]) == {"summarize", "classify", "sentiment", "translate", "extract"}
    assert all(set(names) == {""} for queue, names in found.items() if queue != "ai-jobs")
    assert all(path.startswith("queues.systems.") for names in found.values() for path in names.values())


def test_a_function_of_ones_own_takes_a_samples_place_and_no_others(tmp_path: Path) -> None:
    samples = processors(tmp_path, {})
    found = processors(tmp_path, {"chat": "own_work.run_async", "ai-jobs.extract": "own_work.run"})
    assert found.pop("chat") == {"": "own_work.run_async"}
    assert found["ai-jobs"].pop("extract") == "own_work.run"
    del samples["chat"], samples["ai-jobs"]["extract"]
    assert found == samples


def test_a_queues_stand_in_takes_every_job_whose_type_has_none_of_its_own(tmp_path: Path) -> None:
    found = processors(tmp_path, {"ai-jobs": "own_work.run", "ai-jobs.extract": "own_work.run_async"})["ai-jobs"]
    assert found.pop("extract") == "own_work.run_async"
    assert found[""] == "own_work.run"
    assert set(found.values()) == {"own_work.run"}


def test_a_wrong_stand_in_stops_the_discovery_naming_it(tmp_path: Path) -> None:
    for stand_ins, sentence in (
        ({"chat": "own_work.missing"}, "TORIL_SYSTEMS['chat'] cannot be imported"),
        ({"chat": "nowhere.run"}, "TORIL_SYSTEMS['chat'] cannot be imported"),
        ({"chat": "run"}, "TORIL_SYSTEMS['chat'] cannot be imported"),
        ({"chat": 5}, "TORIL_SYSTEMS['chat'] must be a dotted path"),
        ({"chat": "own_work.NUMBER"}, "TORIL_SYSTEMS['chat'] is 'own_work.NUMBER', which is no function"),
        ({"chatt": "own_work.run"}, "TORIL_SYSTEMS has no place 'chatt'"),
        ({"ai-jobs.summarise": "own_work.run"}, "TORIL_SYSTEMS has no place 'ai-jobs.summarise'"),
    ):
        done = discovered(tmp_path, stand_ins)
        assert done.returncode != 0
        assert f"ConfigurationError: {sentence}" in done.stderr
