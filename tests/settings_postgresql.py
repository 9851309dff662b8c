"""The test run on PostgreSQL: `bin/test --ds=tests.settings_postgresql tests/…`, on a server of its own.

TEST_DATABASE_URL names another to use. Each process of a run has its own database there.
"""

import atexit
import os

import dj_database_url

from tests.settings import *  # noqa: F403

if "TEST_DATABASE_URL" not in os.environ:
    from tests.postgresql import PostgresServer

    # In the run's first process alone: those that it starts inherit the address.
    server = PostgresServer()
    atexit.register(server.close)
    os.environ["TEST_DATABASE_URL"] = server.url

DATABASES = {"default": dj_database_url.parse(os.environ["TEST_DATABASE_URL"])}
