"""Whose word is believed about where a request comes from."""

from __future__ import annotations

import pytest
from django.http import HttpRequest

from dashboard.sign_in import proxies

OURS = "10.0.0.0/8"


@pytest.mark.parametrize(
    ("peer", "forwarded", "place"),
    [
        ("203.0.113.9", "", "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.2.3.4, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.2.3.4, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "10.0.0.7", "10.0.0.7"),
        ("10.0.0.1", "evil", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1, evil", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
        ("10.0.0.1", "[2001:db8:1:2:3::4]:4711", "2001:db8:1:2::"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("2001:db8:1:2:3::4", "", "2001:db8:1:2::"),
        ("2001:db8:1:2:9::9", "198.51.100.1", "2001:db8:1:2::"),
        ("", "198.51.100.1", "unknown"),
        ("testclient", "", "unknown"),
    ],
)
def test_the_nearest_machine_that_is_no_proxy_of_ours_counts(settings, peer, forwarded, place):
    settings.TRUSTED_PROXIES = [OURS]
    assert proxies.place_of(peer, forwarded).removesuffix("/64") == place


@pytest.mark.parametrize(
    ("told", "https", "peer", "is_trusted"),
    [
        ([], False, "127.0.0.1", False),
        ([], True, "127.0.0.1", True),
        ([], True, "192.168.7.7", True),
        ([], True, "203.0.113.9", False),
        (["203.0.113.9"], True, "127.0.0.1", False),
        (["203.0.113.9"], True, "203.0.113.9", True),
        (["unix"], False, "", True),
        (["10.0.0.0/8"], False, "", False),
    ],
)
def test_only_those_are_trusted_that_are_named_or_private_behind_https(settings, told, https, peer, is_trusted):
    settings.TRUSTED_PROXIES, settings.HTTPS = told, https
    assert proxies.is_trusted(peer) == is_trusted


def test_a_strangers_word_is_gone_before_anything_reads_it(settings):
    settings.TRUSTED_PROXIES = [OURS]
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    for peer, believed in (("10.0.0.1", True), ("203.0.113.9", False)):
        request = HttpRequest()
        request.META = {"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_PROTO": "https", "HTTP_X_FORWARDED_FOR": "1.2.3.4"}
        proxies.strip_strangers_word(request)
        assert (request.is_secure(), "X-Forwarded-For" in request.headers) == (believed, believed)
