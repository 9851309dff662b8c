"""BullMQ's scripts are the ones this code was written for."""

import pytest

from queues.errors import ConfigurationError
from queues.protocol import scripts
from queues.protocol.commands import call_script


def test_the_lock_matches_the_installed_package() -> None:
    assert scripts.LOCK.read_text() == scripts.lock_text()
    scripts.check_version()


def test_another_version_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripts, "_lock", lambda: {"version": "9.9.9", "scripts": {}})
    with pytest.raises(ConfigurationError, match=r"bullmq==9\.9\.9"):
        scripts.check_version.__wrapped__()


def test_a_changed_script_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripts, "_lock", lambda: {"version": "3.4.4", "scripts": {"pause": {"keys": 7, "sha": "x"}}})
    with pytest.raises(ConfigurationError, match="pause"):
        scripts.script.__wrapped__("pause")


def test_a_wrong_number_of_keys_is_refused_before_it_is_sent() -> None:
    with pytest.raises(ValueError, match="pause takes 7 keys, not 1"):
        call_script("pause", [b"one"], [])
