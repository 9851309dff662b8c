"""The test run on PostgreSQL: `TEST_DATABASE_URL=postgres://… bin/test --ds=tests.settings_postgresql tests/…`."""

import os

import dj_database_url

from tests.settings import *  # noqa: F403

DATABASES = {"default": dj_database_url.parse(os.environ["TEST_DATABASE_URL"])}
