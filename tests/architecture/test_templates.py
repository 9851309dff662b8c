"""What the Content-Security-Policy forbids, and what would make markup of data, is in no template and no script."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

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
FORM = re.compile(r"<form\b[^>]*>.*?</form>", re.DOTALL)


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("template", TEMPLATES, ids=relative)
def test_no_template_holds_what_the_policy_forbids(template):
    source = template.read_text()
    found = {
        why: match[0] for pattern, why in FORBIDDEN.items() if (match := re.search(pattern, source, re.IGNORECASE))
    }
    assert found == {}


@pytest.mark.parametrize("template", TEMPLATES, ids=relative)
def test_every_form_that_posts_carries_its_token(template):
    for form in FORM.findall(template.read_text()):
        head = form.partition(">")[0]
        if "hx-post" in head or re.search(r"method=\"?post", head, re.IGNORECASE):
            assert "{% csrf_token %}" in form, head


@pytest.mark.parametrize("template", TEMPLATES, ids=relative)
def test_what_htmx_does_a_browser_without_script_can_do(template):
    """hx-post stands on a form that posts, or on a field whose form does so by a button; hx-get on a link or
    a form, unless it only refreshes itself.
    """
    for tag in re.findall(r"<[a-z][^>]*\shx-(?:post|get)=[^>]*>", template.read_text()):
        if "hx-post=" in tag and tag.startswith("<textarea"):
            assert "hx-trigger=" in tag, tag
        elif "hx-post=" in tag:
            assert re.match(r"<form\b.*method=\"?post", tag, re.DOTALL), tag
        elif "hx-trigger=" not in tag:
            assert tag.startswith("<form") or "href=" in tag, tag


@pytest.mark.parametrize("template", TEMPLATES, ids=relative)
def test_templates_are_short(template):
    assert len(template.read_text().splitlines()) < 100


@pytest.mark.parametrize("script", SCRIPTS, ids=relative)
def test_our_scripts_write_text_and_never_markup(script):
    source = script.read_text()
    found = re.findall(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|\.style\b", source
    )
    assert found == []


@pytest.mark.parametrize("module", PYTHON, ids=relative)
def test_no_module_declares_text_safe_by_hand(module):
    """format_html escapes what it is given; mark_safe believes it."""
    assert not re.search(r"mark_safe|SafeString\(|SafeText\(|__html__", module.read_text())


def test_there_is_something_to_look_at():
    assert len(TEMPLATES) > 10
    assert len(SCRIPTS) > 0
    assert len(PYTHON) > 30
