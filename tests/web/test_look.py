"""The look as promised: contrast measured, nothing inline, nothing from elsewhere, the vendored script as it came."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOKENS = (ROOT / "static/css/tokens.css").read_text()
TEMPLATES = sorted(path for path in (ROOT / "templates").rglob("*.html") if "admin" not in path.parts)
STYLES = sorted((ROOT / "static/css").glob("*.css"))
COLOURS = {
    name: (light, dark)
    for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);", TOKENS)
}
STATES = ("waiting", "active", "prioritized", "delayed", "failed", "completed", "waiting-children")
SURFACES = ("paper", "sheet", "sunk")
#: What is read, and on what it stands.
PAIRS = [(text, on) for text in ("ink", "ink-2", "ink-3", *STATES) for on in SURFACES] + [
    (text, on)
    for on in ("waiting-soft", "active-soft", "failed-soft", "completed-soft")
    for text in ("ink", "ink-2", on.removesuffix("-soft"))
]


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_text_is_read_easily_on_every_surface():
    measured = {
        (text, on, theme): contrast(COLOURS[text][number], COLOURS[on][number])
        for text, on in PAIRS
        for number, theme in enumerate(("light", "dark"))
    }
    assert {pair: ratio for pair, ratio in measured.items() if ratio < 4.5} == {}


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_the_filled_button_and_the_focus_ring_stand_out(theme):
    assert contrast(COLOURS["paper"][theme], COLOURS["ink"][theme]) >= 4.5
    assert all(contrast(COLOURS["focus"][theme], COLOURS[on][theme]) >= 3 for on in SURFACES)


def test_every_state_has_its_colour():
    assert all(f".s-{state} {{ --c: var(--{state}); }}" in TOKENS for state in STATES)


def test_colours_are_named_once_and_nowhere_else():
    for path in STYLES:
        if path.name != "tokens.css":
            assert not re.search(r"#[0-9a-fA-F]{3,8}\b(?![\w-]*\s*[{,.:>])|rgb\(|hsl\(", path.read_text()), path.name
    used = set(re.findall(r"var\(--([\w-]+)", "".join(path.read_text() for path in STYLES)))
    defined = set(re.findall(r"--([\w-]+):", "".join(path.read_text() for path in STYLES)))
    assert used <= defined


def test_motion_stops_for_those_who_ask_and_pages_print():
    styles = "".join(path.read_text() for path in STYLES)
    assert "prefers-reduced-motion: reduce" in styles
    assert "@media print" in styles


def test_a_template_holds_nothing_that_the_policy_forbids_or_that_would_trust_data():
    for path in TEMPLATES:
        text = path.read_text()
        assert len(text.splitlines()) < 100, path
        assert not re.search(r"\|\s*safe\b|autoescape\s+off|\|safeseq", text), path
        forbidden = r"\sstyle=|\son[a-z]+=|hx-on|js:|javascript:|<style|hx-vals|hx-trigger=\"[^\"]*\["
        assert not re.search(forbidden, text), path
        assert not re.search(r"<script(?![^>]*\ssrc=)", text), path
        assert not re.search(r"(?:src|href|action)=\"(?:https?:)?//", text), path


def test_what_htmx_can_do_a_plain_link_or_form_can_do_too():
    for path in TEMPLATES:
        for element in re.findall(r"<(?:a|form|button)\b[^>]*\shx-(?:get|post)=[^>]*>", path.read_text()):
            needs = (" href=", " hx-target=") if element.startswith("<a") else ("<form", " action=", " hx-target=")
            assert all(part in element for part in needs), (path, element)


def test_a_form_that_posts_has_its_token():
    for path in TEMPLATES:
        for form in re.findall(r"<form\b[^>]*method=\"post\".*?</form>", path.read_text(), re.DOTALL):
            assert "{% csrf_token %}" in form, path


def test_our_own_script_is_small_and_needs_no_eval():
    text = (ROOT / "static/js/toril.js").read_text()
    assert len(text.splitlines()) < 250
    assert not re.search(r"\beval\(|new Function|innerHTML|outerHTML|insertAdjacentHTML|document\.write", text)
    assert "confirm(" not in text


def test_the_vendored_files_are_those_that_were_vendored():
    folder = ROOT / "static/vendor"
    sums = dict(reversed(line.split()) for line in (folder / "SHA256SUMS").read_text().splitlines())
    assert set(sums) == {path.name for path in folder.iterdir()} - {"SHA256SUMS"}
    assert all(hashlib.sha256((folder / name).read_bytes()).hexdigest() == wanted for name, wanted in sums.items())
    assert "Permission to use, copy, modify" in (folder / "htmx.LICENSE.txt").read_text()
