"""`keys`: API keys of services and people: made, listed, rotated, revoked. A key goes to standard output once."""

from __future__ import annotations

import argparse
from argparse import Namespace
from datetime import datetime

from django.contrib.auth import get_user_model

from queues.abilities import ABILITIES, ROLES
from queues.actions.keys import Made, Wanted, checked, make_key, revoke_key, rotate_key
from queues.console.exits import Exit
from queues.console.screen import moment, table
from queues.console.session import Session
from queues.errors import InvalidInput, NotFound
from queues.lookups.keys import Key, keys
from queues.options import get_options

WORDS = ("list", "add", "rotate", "revoke")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("word", metavar="WORD", nargs="?", choices=WORDS, default="list")
    parser.add_argument("key", metavar="KEY", nargs="?", help="add: its name; else its number, name or beginning")
    parser.add_argument("--may", action="append", metavar="ABILITY", help="an ability, or viewer, operator, admin")
    parser.add_argument("--queue", action="append", metavar="PATTERN", help="mails-*, replica:mails-* (*)")
    parser.add_argument(
        "--owner", metavar="USER", help="a person's key, which never may more than they; else a service's"
    )
    parser.add_argument("--days", type=int, metavar="N", help="how long it lives")
    parser.add_argument("--no-expiry", action="store_true", help="it lives until it is revoked")
    parser.add_argument("--rate", type=int, metavar="N", help="requests a minute")
    parser.add_argument("--overlap-hours", type=int, metavar="N", help="rotate: how long the older secret works on")


def steer(session: Session, options: Namespace) -> Exit:
    """List API keys, make one, give it a new secret, or revoke it."""
    if (options.key is None) is not (options.word == "list"):
        raise InvalidInput("keys: list takes no name; add, rotate and revoke take one.")
    return {"list": _list, "add": _add, "rotate": _rotate, "revoke": _revoke}[options.word](session, options)


def _list(session: Session, options: Namespace) -> Exit:
    found = session.run(keys())
    session.screen.give({"keys": [key.facts() for key in found]})
    if not found:
        session.screen.say("There are no API keys.")
        return Exit.DONE
    heads = ("number", "name", "whose", "begins", "may", "queues", "until", "last used")
    session.screen.lines(table(heads, [_cells(key) for key in found], left=len(heads)))
    return Exit.DONE


def _cells(key: Key) -> list[str]:
    begins = ", ".join(secret.shown for secret in key.secrets)
    until = "revoked" if key.revoked_at else "expired" if key.is_over else _moment(key.expires_at) or "for good"
    used = _moment(key.used_at) or "never"
    whose = key.owner or "a service"
    return [str(key.number), key.name, whose, begins, ", ".join(key.abilities), ", ".join(key.queues), until, used]


def _moment(value: datetime | None) -> str:
    return moment(int(value.timestamp() * 1000)) if value else ""


def _add(session: Session, options: Namespace) -> Exit:
    credentials = get_options().credentials
    days = None if options.no_expiry else options.days or min(credentials.key_days, credentials.most_key_days or 3_650)
    owner_id = session.run(_owner(options.owner)) if options.owner else None
    may = _abilities(options.may or [])
    wanted = checked(Wanted(options.key, may, tuple(options.queue or ["*"]), owner_id, days, options.rate))
    if session.is_dry_run:
        return session.would(f"would make the key “{wanted.name}”.", key=wanted.name, abilities=list(wanted.abilities))
    return _show(session, session.run(make_key(session.actor, wanted)))


async def _owner(name: str) -> int:
    model = get_user_model()
    user = await model.objects.filter(**{model.USERNAME_FIELD: name}).afirst()
    if user is None:
        raise NotFound(f"There is no user named “{name}”.")
    return int(user.pk)


def _abilities(told: list[str]) -> tuple[str, ...]:
    found = [ability for name in told for part in name.split(",") for ability in ROLES.get(part, (part,))]
    if unknown := [name for name in found if name not in ABILITIES]:
        raise InvalidInput(f"There is no ability “{unknown[0]}”; known are {', '.join((*ABILITIES, *ROLES))}.")
    # Of a role that makes keys a key gets the rest.
    return tuple(ability for ability in found if ability != "keys" or "keys" in told)


def _show(session: Session, made: Made) -> Exit:
    """The key alone on standard output, for `KEY=$(…)`; what is to be said of it beside."""
    session.screen.note(f"{made.message} It is shown this once:")
    session.screen.lines([made.shown])
    expires = made.key.expires_at
    session.screen.give(
        {"key": made.shown, "number": made.key.pk, "name": made.key.name, "message": made.message,
         "expires_at": expires.isoformat() if expires else None, "outcome": "done"}
    )  # fmt: skip
    return Exit.DONE


def _rotate(session: Session, options: Namespace) -> Exit:
    key = session.run(_one(options.key))
    if session.is_dry_run:
        return session.would(f"would give the key “{key.name}” a new secret.", number=key.number)
    return _show(session, session.run(rotate_key(session.actor, key.number, options.overlap_hours)))


def _revoke(session: Session, options: Namespace) -> Exit:
    key = session.run(_one(options.key))
    if session.is_dry_run:
        return session.would(f"would revoke the key “{key.name}”.", number=key.number)
    done = session.run(revoke_key(session.actor, key.number))
    session.screen.say(done.message)
    session.screen.give({"number": key.number, "outcome": "done", "message": done.message})
    return Exit.DONE


async def _one(told: str) -> Key:
    """By its number, its name or how it begins; a name that two keys have stands for the one that opens something."""
    found = [key for key in await keys() if told in (str(key.number), key.name) or _begins(key, told)]
    living = [key for key in found if key.opens]
    if len(found) == 1 or len(living) == 1:
        return (living or found)[0]
    if not found:
        raise NotFound(f"There is no API key “{told}”.")
    raise InvalidInput(f"“{told}” names {len(found)} keys: give a number.")


def _begins(key: Key, told: str) -> bool:
    return any(told.startswith(secret.shown.removesuffix("…").rstrip("_")) for secret in key.secrets)
