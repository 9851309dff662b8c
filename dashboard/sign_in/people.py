"""Accounts of those whom somebody else vouches for: a provider of sign-in, or a proxy of ours. Synchronous.

Groups are all that such a voucher gives: a superuser is made here, by hand, and by nobody's claim.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from django.contrib.auth.models import Group, User
from django.db import transaction
from django.utils.translation import gettext as _

from dashboard.models import OutsideAccount
from queues.errors import Forbidden

MOST_NAME = 150


def of_subject(issuer: str, subject: str, name: str) -> User:
    """Whom a provider means by this subject; at the first time an account is made. A local account of that name is not
    given to whoever claims it: it must be without a password, and nobody's yet. Raises Forbidden.
    """
    known = OutsideAccount.objects.select_related("user").filter(issuer=issuer, subject=subject).first()
    if known is not None:
        return _living(known.user)
    with transaction.atomic():
        user = User.objects.filter(username=name).first()
        if user is None:
            user = _made(name)
        elif user.has_usable_password() or user.is_superuser or OutsideAccount.objects.filter(user=user).exists():
            raise Forbidden(_("There is another account of this name here. An administrator can tell why."))
        OutsideAccount.objects.create(user=user, issuer=issuer, subject=subject)
    return _living(user)


def of_name(name: str) -> User:
    """Whom our proxy means: the account of that name, made where there is none. Raises Forbidden."""
    return _living(User.objects.filter(username=name).first() or _made(name))


def join(user: User, claimed: Collection[str], names: Mapping[str, str]) -> None:
    """Puts somebody into those groups that stand for what is claimed, and out of the others that stand for anything.

    `names`: what is claimed → a group here; empty: the same names. Who is in any of them is staff; who is in none is
    not, for nothing else made them so.
    """
    held = {names.get(claim, "") for claim in claimed} if names else set(claimed)
    known = Group.objects.filter(name__in=names.values()) if names else Group.objects.all()
    managed = {group.name: group for group in known}
    user.groups.remove(*(group for name, group in managed.items() if name not in held))
    user.groups.add(*(group for name, group in managed.items() if name in held))
    is_staff = user.is_superuser or bool(held & managed.keys())
    if user.is_staff != is_staff:
        user.is_staff = is_staff
        user.save(update_fields=["is_staff"])


def _made(name: str) -> User:
    if not 0 < len(name) <= MOST_NAME or not name.isprintable():
        raise Forbidden(_("This name cannot be that of an account."))
    user: User = User.objects.create_user(name)
    return user


def _living(user: User) -> User:
    if not user.is_active:
        raise Forbidden(_("This account is disabled."))
    return user
