"""`manage.py signins`: lets in again who is shut out for too many wrong passwords; shows and ends sessions."""

from __future__ import annotations

from typing import Any

from axes.utils import reset
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from dashboard.sign_in import sessions
from dashboard.sign_in.attempts import digest
from dashboard.sign_in.proxies import place_of


class Command(BaseCommand):
    help = (
        "signins unlock NAME | --address ADDRESS | --all: failures are forgotten. "
        "signins list NAME: that person's sessions. signins end NAME | --all: they are signed out everywhere."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("do", choices=("unlock", "list", "end"))
        parser.add_argument("name", nargs="?", default="")
        parser.add_argument("--address", default="")
        parser.add_argument("--all", action="store_true")

    def handle(self, *args: Any, do: str, name: str, address: str, all: bool, **options: Any) -> None:
        if sum(map(bool, (name, address, all))) != 1 or (address and do != "unlock") or (all and do == "list"):
            raise CommandError(self.help)
        if do == "unlock":
            place = place_of(address, "").partition("/")[0] if address else None
            told = reset(username=digest(name) if name else None, ip=place)
            self.stdout.write(f"{told} failures were forgotten.")
            return
        people = get_user_model().objects.all() if all else get_user_model().objects.filter(username=name)
        if not people.exists():
            raise CommandError(f"There is nobody named {name!r}.")
        if do == "end":
            self.stdout.write(f"{sum(sessions.end(person.pk) for person in people)} sessions were ended.")
            return
        for one in sessions.held(people.get().pk):
            self.stdout.write(f"{one.id}  {one.began_at:%Y-%m-%d %H:%M}  {one.place}  {one.agent}")
