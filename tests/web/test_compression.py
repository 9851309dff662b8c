"""What pages and files cost the line: compressed where it is safe, kept by browsers where it cannot go stale."""

from __future__ import annotations

import gzip
import re

import pytest

from dashboard.compression import LEAST_BYTES, padded
from tests.web.browser import Browser

pytestmark = pytest.mark.django_db(transaction=True)
OVERVIEW = "/admin/queues/"
GZIP = {"Accept-Encoding": "br, gzip;q=0.8"}


async def test_a_page_is_compressed_for_whoever_takes_it(viewer, connection):
    plain = await viewer.get(OVERVIEW)
    packed = await viewer.get(OVERVIEW, headers=GZIP)
    assert "Content-Encoding" not in plain
    assert packed["Content-Encoding"] == "gzip"
    assert int(packed["Content-Length"]) == len(packed.content) < len(plain.content) / 2
    assert b"</html>" in gzip.decompress(packed.content)
    for answer in (plain, packed):
        assert "Accept-Encoding" in answer["Vary"]
        assert "Cookie" in answer["Vary"]
        assert answer["Cache-Control"] == "no-store"


@pytest.mark.parametrize("refused", ["gzip;q=0", "identity", "br", "*;q=0", "gzip; q=0.0, *"])
async def test_nobody_is_sent_what_they_refuse(viewer, connection, refused):
    assert "Content-Encoding" not in await viewer.get(OVERVIEW, headers={"Accept-Encoding": refused})


async def test_a_page_is_of_another_length_each_time_and_so_is_its_csrf_token(viewer, connection):
    assert len({len(padded(b"the same" * 1_000)) for _ in range(30)}) > 10
    answers = [await viewer.get(OVERVIEW, headers=GZIP) for _ in range(6)]
    assert len({len(answer.content) for answer in answers}) > 2
    tokens = {re.search(rb'csrfmiddlewaretoken" value="([^"]+)', gzip.decompress(a.content))[1] for a in answers}
    assert len(tokens) == len(answers)


async def test_what_is_revealed_is_not_compressed(viewer, connection):
    assert "Content-Encoding" not in await viewer.get(OVERVIEW + "?reveal=1", headers=GZIP)


async def test_what_fits_into_a_packet_is_sent_as_it_is(anonymous):
    answer = await anonymous.get("/livez", headers=GZIP)
    assert len(answer.content) < LEAST_BYTES
    assert "Content-Encoding" not in answer


async def script(viewer) -> str:
    html = (await viewer.get(OVERVIEW)).content.decode()
    return re.search(r'src="([^"]*js/toril\.js[^"]*)"', html)[1]


async def test_a_file_under_its_hash_is_kept_for_good_and_another_for_a_minute(viewer, connection):
    address = await script(viewer)
    path, mark = address.split("?v=")
    hashed = await viewer.get(address)
    assert hashed["Cache-Control"] == "max-age=31536000, public, immutable"
    for other in (path, f"{path}?v=", f"{path}?v=000000000000", f"{path}?v={mark[:3]}"):
        answer = await viewer.get(other)
        assert "immutable" not in answer["Cache-Control"], other
        assert answer["ETag"]


async def test_a_file_is_compressed_and_asked_for_again_only_where_it_changed(anonymous, viewer, connection):
    address = (await script(viewer)).partition("?")[0]
    plain, packed = await anonymous.get(address), await anonymous.get(address, headers=GZIP)
    assert gzip.decompress(packed.content) == plain.content
    assert int(packed["Content-Length"]) == len(packed.content) < len(plain.content) / 2
    assert packed["ETag"] == plain["ETag"]
    assert "Accept-Encoding" in packed["Vary"]
    again = await anonymous.get(address, headers=GZIP | {"If-None-Match": packed["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_head_tells_what_get_would(anonymous, viewer, connection):
    page = await viewer.head(OVERVIEW)
    assert (page.status_code, page.content) == (200, b"")
    assert (await anonymous.head(await script(viewer))).status_code == 200


async def test_all_scripts_together_are_less_than_eighty_kilobytes(viewer, connection):
    html = (await viewer.get(OVERVIEW)).content.decode()
    scripts = re.findall(r'<script[^>]*src="([^"]*)"', html)
    sizes = [len((await Browser().get(address, headers=GZIP)).content) for address in scripts]
    assert len(sizes) >= 2
    assert sum(sizes) <= 80_000
