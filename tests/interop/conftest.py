"""What the tests beside Node share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.interop.nodes import Shell


@pytest.fixture(scope="session")
def shell(redis_server) -> Iterator[Shell]:
    """A Node on call, for every test of this process."""
    opened = Shell(redis_server.port)
    yield opened
    opened.close()
