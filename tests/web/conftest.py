"""The cast: who looks at the dashboard in web tests. Each is a browser, signed in as that person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from unittest import mock

import pytest
from django.conf import settings
from django.contrib.auth.models import Group, Permission, User
from whitenoise.middleware import WhiteNoiseMiddleware

from dashboard.models import QueueGrant
from tests.web.browser import Browser


@pytest.fixture(autouse=True, scope="session")
def _one_index_of_assets() -> Iterator[None]:
    """Each browser makes a handler of its own, which would look at all static files, those of Django's admin too."""
    made: dict[str, WhiteNoiseMiddleware] = {}

    def shared() -> WhiteNoiseMiddleware:
        names = ("STATIC_URL", "STATICFILES_DIRS", "FORCE_SCRIPT_NAME", "DEBUG")
        of = repr([getattr(settings, name) for name in names])
        return made.get(of) or made.setdefault(of, WhiteNoiseMiddleware())

    with mock.patch("dashboard.assets.WhiteNoiseMiddleware", shared):
        yield


async def signed_in(name: str, *permissions: str, group: str = "", **fields: Any) -> Browser:
    """A browser whose person is staff (unless `is_staff=False`) and holds these abilities, and those of the group."""
    user = await User.objects.acreate_user(name, password=f"{name}-password", **({"is_staff": True} | fields))
    if group:
        await user.groups.aset([await Group.objects.aget(name=group)])
    await user.user_permissions.aset(
        [p async for p in Permission.objects.filter(content_type__app_label="toril", codename__in=permissions)]
    )
    browser = Browser()
    await browser.aforce_login(user)
    return browser


async def signed_in_on(name: str, *queues: str, abilities: Iterable[str]) -> Browser:
    """A browser whose person holds these abilities on the queues that fit, and nothing else."""
    browser = await signed_in(name)
    user = await User.objects.aget(username=name)
    for queue in queues:
        await QueueGrant.objects.acreate(user=user, queue=queue, abilities=list(abilities))
    return browser


@pytest.fixture
def anonymous() -> Browser:
    return Browser()


@pytest.fixture
async def stranger(transactional_db: None) -> Browser:
    """Signed in, but not staff."""
    return await signed_in("stranger", is_staff=False)


@pytest.fixture
async def viewer(transactional_db: None) -> Browser:
    """Staff of the ready-made group: may see, and change nothing."""
    return await signed_in("viewer", group="viewer")


@pytest.fixture
async def operator(transactional_db: None) -> Browser:
    """Staff of the ready-made group: may do what can be put right again, but remove nothing."""
    return await signed_in("operator", group="operator")


@pytest.fixture
async def admin(transactional_db: None) -> Browser:
    """A superuser."""
    return await signed_in("admin", is_superuser=True)
