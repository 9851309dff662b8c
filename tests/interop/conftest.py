"""What the tests beside Node share."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from tests.interop.nodes import Ask, Shell


@pytest.fixture(scope="session")
def shell(redis_server) -> Iterator[Shell]:
    """A Node on call, for every test of this process."""
    opened = Shell(redis_server.port)
    yield opened
    opened.close()


@pytest.fixture
def node(shell: Shell, prefix: str) -> Ask:
    """What that Node is asked, with this test's prefix."""
    return partial(shell.call, prefix)
