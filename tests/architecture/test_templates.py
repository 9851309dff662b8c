"""What the Content-Security-Policy forbids, and what would make markup of data, is in no template and no script."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
SCRIPTS = sorted(path for path in (ROOT / "static").rglob("*.js") if "vendor" not in path.parts)
PYTHON = sorted(path for room in ("queues", "dashboard") for path in (ROOT / room).rglob("*.py"))

#: What no template may hold → why.
FORBIDDEN = {
    r"<script(?![^>]*\ssrc=)": "inline script",
    r"<style\b": "inline style sheet",
    r"\sstyle\s*=": "inline style",
    r"\son[a-z]+\s*=": "inline handler",
    r"javascript:|\bjs:": "script in an address",
    r"\bhx-on\b|\bhx-on:": "htmx handlers need eval",
    r"hx-trigger=\"[^\"]*\[": "trigger filters need eval",
    r"\|\s*safe\b|autoescape\s+off|safeseq": "data that is not escaped",
    r"(src|href|action|hx-[a-z]+)=\"(https?:)?//": "another host",
    r"<(iframe|object|embed|base|link[^>]+@import)\b": "what the policy refuses",
}
POSTS = re.compile(r"hx-post|method=\"?post", re.IGNORECASE)
FORM = re.compile(r"<form\b[^>]*>.*?</form>", re.DOTALL)


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def complaints(files: list[Path], complaint: Callable[[str], object]) -> dict[str, object]:
    """What is wrong, by the name of the file; empty where all are well."""
    return {relative(file): wrong for file in files if (wrong := complaint(file.read_text()))}


def test_no_template_holds_what_the_policy_forbids():
    def forbidden(source: str) -> dict[str, str]:
        found = {why: re.search(pattern, source, re.IGNORECASE) for pattern, why in FORBIDDEN.items()}
        return {why: match[0] for why, match in found.items() if match}

    assert complaints(TEMPLATES, forbidden) == {}


def test_every_form_that_posts_carries_its_token():
    def open_to_all(source: str) -> list[str]:
        posting = [form for form in FORM.findall(source) if POSTS.search(form.partition(">")[0])]
        return [form.partition(">")[0] for form in posting if "{% csrf_token %}" not in form]

    assert complaints(TEMPLATES, open_to_all) == {}


def test_what_htmx_does_a_browser_without_script_can_do():
    """hx-post stands on a form that posts, or on a field whose form does so by a button; hx-get on a link or
    a form, unless it only refreshes itself.
    """

    def needs_script(tag: str) -> bool:
        if "hx-post=" in tag and tag.startswith("<textarea"):
            return "hx-trigger=" not in tag
        if "hx-post=" in tag:
            return not re.match(r"<form\b.*method=\"?post", tag, re.DOTALL)
        return "hx-trigger=" not in tag and not tag.startswith("<form") and "href=" not in tag

    def scripted(source: str) -> list[str]:
        return [tag for tag in re.findall(r"<[a-z][^>]*\shx-(?:post|get)=[^>]*>", source) if needs_script(tag)]

    assert complaints(TEMPLATES, scripted) == {}


def test_templates_are_short():
    assert complaints(TEMPLATES, lambda source: len(source.splitlines()) >= 100) == {}


def test_our_scripts_write_text_and_never_markup():
    markup = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|\.style\b"
    assert complaints(SCRIPTS, lambda source: re.findall(markup, source)) == {}


def test_no_module_declares_text_safe_by_hand():
    """format_html escapes what it is given; mark_safe believes it."""
    by_hand = r"mark_safe|SafeString\(|SafeText\(|__html__"
    assert complaints(PYTHON, lambda source: re.findall(by_hand, source)) == {}


def test_there_is_something_to_look_at():
    assert len(TEMPLATES) > 10
    assert len(SCRIPTS) > 0
    assert len(PYTHON) > 30
