"""Headers of every answer, and Django's admin living under the same strict policy."""

from __future__ import annotations

import re

import pytest

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.web.echo")]
PATHS = [
    "/admin/queues",
    "/sign-in",
    "/nothing",
    "/fails/bug",
    "/livez",
    "/admin/",
    "/static/admin/css/base.css",
    "/static/no",
]


def policy(answer) -> dict[str, str]:
    return {
        name: rest
        for name, _, rest in (part.strip().partition(" ") for part in answer["Content-Security-Policy"].split(";"))
    }


@pytest.mark.parametrize("path", PATHS)
async def test_every_answer_has_the_policy(admin, anonymous, path):
    admin.raise_request_exception = anonymous.raise_request_exception = False
    for browser in (admin, anonymous):
        answer = await browser.get(path)
        found = policy(answer)
        assert found["default-src"] == found["base-uri"] == found["frame-ancestors"] == found["object-src"] == "'none'"
        assert found["connect-src"] == found["form-action"] == found["style-src"] == found["font-src"] == "'self'"
        assert re.fullmatch(r"'self' 'nonce-[A-Za-z0-9_-]{22}'", found["script-src"])
        assert "unsafe" not in answer["Content-Security-Policy"]
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Cross-Origin-Opener-Policy"] == answer["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Access-Control-Allow-Origin" not in answer
        assert answer["X-Frame-Options"] == "DENY"
        assert answer["Referrer-Policy"] == "same-origin"


async def test_a_nonce_is_used_once_and_the_page_has_the_one_of_its_header(anonymous):
    nonces = set()
    for _ in range(3):
        answer = await anonymous.get("/sign-in")
        nonce = policy(answer)["script-src"].split("nonce-")[1].rstrip("'")
        assert set(re.findall(r'nonce="([^"]+)"', answer.content.decode())) == {nonce}
        nonces.add(nonce)
    assert len(nonces) == 3


@pytest.mark.parametrize("path", ["/admin/queues", "/sign-in", "/nothing", "/admin/"])
async def test_what_a_visitor_sees_is_kept_by_no_cache(admin, path):
    answer = await admin.get(path)
    assert answer["Cache-Control"] in ("no-store", "max-age=0, no-cache, no-store, must-revalidate, private")
    assert {"Cookie", "HX-Request"} <= {name.strip() for name in answer["Vary"].split(",")}


async def test_static_files_may_be_kept_and_are_found_again_by_their_tag(anonymous):
    first = await anonymous.get("/static/admin/css/base.css")
    assert "max-age" in first["Cache-Control"]
    assert int(first["Content-Length"]) == len(first.content)
    again = await anonymous.get("/static/admin/css/base.css", headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "Access-Control-Allow-Origin" not in first


@pytest.mark.parametrize(
    "path",
    [
        "/static/../manage.py",
        "/static/%2e%2e/manage.py",
        "/static/..%2fmanage.py",
        "/static//etc/passwd",
        "/static/admin/../../x",
        "/static/",
        "/static/admin",
    ],
)
async def test_only_static_files_are_static_files(anonymous, path):
    assert (await anonymous.get(path)).status_code == 404


@pytest.mark.parametrize("method", ["post", "put", "delete", "trace"])
async def test_static_files_are_read_only(anonymous, method):
    assert (await getattr(anonymous, method)("/static/admin/css/base.css")).status_code == 405


async def test_over_https_cookies_and_transport_are_tied_to_it(anonymous, settings):
    settings.HTTPS = True
    answer = await anonymous.get("/sign-in")
    assert answer["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"


@pytest.mark.parametrize(
    "path", ["", "toril/job/", "toril/queue/", "toril/auditentry/", "auth/user/", "auth/user/add/", "password_change/"]
)
async def test_djangos_admin_needs_no_inline_script_or_style(admin, path):
    page = (await admin.get("/admin/" + path)).content.decode()
    assert "<html" in page
    assert not re.search(r"<script(?![^>]*(\ssrc=|type=\"application/json\"))", page)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", page)
