"""The cast: who looks at the dashboard in web tests. Each is a browser, signed in as that person."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User

from tests.web.browser import Browser


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
