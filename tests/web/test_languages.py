"""The twelve catalogues: each has every message that the code says, whole and with its places; pages speak them."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polib
import pytest
from django.conf.locale import LANG_INFO
from django.utils import translation

from dashboard import words
from dashboard.pages.queue import rows
from queues import queue
from tests.services import missing

ROOT = Path(__file__).resolve().parents[2]
LOCALE = ROOT / "dashboard" / "locale"
#: Bull Board's, as Django writes them.
LANGUAGES = "da de en_GB en_US es fr ja ko pt_BR ru tr zh_Hans".split()
GETTEXT = {"_", *(f"{n}gettext{kind}" for n in ("", "n") for kind in ("", "_lazy", "_noop"))}
PLACE = re.compile(r"%\(\w+\)[sd]|%%|\{\w*\}|</?[a-z][^>]*>")
#: Letters that a text in the language has: a catalogue of another one would have none.
SCRIPTS = {"ja": "ぁ-ヿ一-龯", "ko": "가-힣", "ru": "а-яА-Я", "zh_Hans": "一-龯"}
Message = tuple[str, str]


def catalogue(language: str) -> polib.POFile:
    return polib.pofile(LOCALE / language / "LC_MESSAGES" / "django.po")


@pytest.fixture(scope="module")
def gathered(tmp_path_factory) -> set[Message]:
    """Every message of the code, as Django's makemessages finds them; it complains of nothing."""
    if shutil.which("xgettext") is None:
        missing("gettext's xgettext is not installed")
    copy = tmp_path_factory.mktemp("project")
    for room in ("dashboard", "queues", "templates"):
        shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__", "*.pyc", "locale"))
    (copy / "dashboard" / "locale").mkdir()
    script = (
        "import django; from django.conf import settings; "
        "settings.configure(LOCALE_PATHS=['dashboard/locale'], INSTALLED_APPS=[]); django.setup(); "
        "from django.core.management import call_command; call_command('makemessages', locale=['xx'], verbosity=1)"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr.lower()
    found = polib.pofile(copy / "dashboard/locale/xx/LC_MESSAGES/django.po")
    return {(entry.msgid, entry.msgid_plural) for entry in found}


def said_in_code() -> set[str]:
    """What the Python code hands to gettext, read by Python itself: xgettext passes over f-strings."""
    found = set()
    for room in ("dashboard", "queues"):
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.alias) and node.name in GETTEXT:
                    assert node.asname in (None, "_"), f"{path}: xgettext does not know {node.asname}"
                name = getattr(getattr(node, "func", None), "id", "")
                if isinstance(node, ast.Call) and name in GETTEXT and isinstance(node.args[0], ast.Constant):
                    found.add(node.args[0].value)
    return found


def test_what_the_code_says_is_gathered(gathered):
    assert said_in_code() - {message for message, _ in gathered} == set()


def test_there_are_the_twelve_and_no_other():
    assert sorted(path.parent.parent.name for path in LOCALE.glob("*/LC_MESSAGES/django.po")) == sorted(LANGUAGES)
    assert all(translation.to_language(language) in LANG_INFO or language == "en_US" for language in LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_catalogue_has_every_message_and_none_besides(language, gathered):
    kept = {(entry.msgid, entry.msgid_plural) for entry in catalogue(language) if not entry.obsolete}
    assert len(gathered) > 2_000
    assert {"missing": gathered - kept, "left over": kept - gathered} == {"missing": set(), "left over": set()}


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_message_is_translated_whole(language):
    po = catalogue(language)
    forms = int(re.search(r"nplurals=(\d)", po.metadata["Plural-Forms"])[1])
    assert po.untranslated_entries() == []
    assert po.fuzzy_entries() == []
    assert [entry.msgid for entry in po if entry.msgid_plural and len(entry.msgstr_plural) != forms] == []
    assert list(_faults(po)) == []


def _faults(po: polib.POFile) -> Iterator[str]:
    for entry in po:
        if not entry.msgid_plural:
            if sorted(PLACE.findall(entry.msgid)) != sorted(PLACE.findall(entry.msgstr)):
                yield f"other places: {entry.msgid} → {entry.msgstr}"
            if _ends(entry.msgid) != _ends(entry.msgstr):
                yield f"other spaces at its ends: {entry.msgid!r} → {entry.msgstr!r}"
            continue
        known = set(PLACE.findall(entry.msgid + entry.msgid_plural))
        for form in entry.msgstr_plural.values():
            if not form or not set(PLACE.findall(form)) <= known:
                yield f"other places: {entry.msgid} → {form}"
        # The last form is said of most numbers.
        if not set(PLACE.findall(entry.msgid_plural)) <= set(
            PLACE.findall(entry.msgstr_plural[max(entry.msgstr_plural)])
        ):
            yield f"a place is missing: {entry.msgid}"


class Anything(dict[str, int]):
    """A value for every place."""

    def __missing__(self, name: str) -> int:
        return 7


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_message_takes_its_values(language):
    for entry in catalogue(language):
        for text in (entry.msgstr, *entry.msgstr_plural.values()):
            if text and "%(" in entry.msgid + entry.msgid_plural:
                assert text % Anything()


def _ends(text: str) -> tuple[bool, bool]:
    return text[:1].isspace(), text[-1:].isspace()


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_read_at_run_time_is_made_of_the_catalogue(language):
    compiled = polib.mofile(LOCALE / language / "LC_MESSAGES" / "django.mo")
    assert {(e.msgid, e.msgstr, *e.msgstr_plural.values()) for e in compiled} == {
        (e.msgid, e.msgstr, *e.msgstr_plural.values()) for e in catalogue(language)
    }, "run manage.py compilemessages"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_is_of_its_language(language):
    po = catalogue(language)
    texts = [entry.msgstr for entry in po if len(entry.msgid) > 30 and entry.msgstr]
    if language.startswith("en"):
        assert sum(entry.msgstr == entry.msgid for entry in po if not entry.msgid_plural) > 0.9 * len(texts)
        return
    assert sum(entry.msgstr == entry.msgid for entry in po if len(entry.msgid) > 30) < 0.01 * len(texts)
    if script := SCRIPTS.get(language):
        assert sum(bool(re.search(f"[{script}]", text)) for text in texts) > 0.99 * len(texts)


@pytest.fixture
def forgetful() -> Iterator[None]:
    """What is kept as text was drawn in another language."""
    rows._kept.clear()
    words._words.cache_clear()
    yield
    rows._kept.clear()
    words._words.cache_clear()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("forgetful")
@pytest.mark.parametrize("language", LANGUAGES)
async def test_pages_speak_it(language, admin, connection):
    await queue("chat").add("talk", {})
    by_id = {entry.msgid: entry.msgstr for entry in catalogue(language)}
    with translation.override(translation.to_language(language)):
        html = (await admin.get("/admin/queues/")).content.decode()
        job = (await admin.get("/admin/queues/queue/chat?status=waiting")).content.decode()
    assert f'<html lang="{translation.to_language(language)}"' in html
    for said in ("Overview", "Workers", "Sign out", "Schedulers"):
        assert by_id[said] in html
    assert by_id["Waiting"] in job
