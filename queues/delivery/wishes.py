"""What somebody wishes to be told, and where: read from what was typed, and bounded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from queues.delivery import addresses
from queues.errors import InvalidInput
from queues.models import Endpoint
from queues.models.webhook import KINDS

LONGEST_NAME = 120
#: Patterns of queues or of names, places in the data; and how long each may be.
MOST, LONGEST = 50, 200
#: More stars would take long for nothing.
MOST_STARS = 8


@dataclass(frozen=True, slots=True)
class Wish:
    """Empty `queues` and `names` mean all. `data`: place in a job's data → what must stand there."""

    name: str
    url: str
    kinds: Sequence[str]
    queues: Sequence[str] = ()
    names: Sequence[str] = ()
    data: tuple[tuple[str, str], ...] = ()
    with_payload: bool = False

    @property
    def host(self) -> str:
        return addresses.read(self.url).authority

    def put(self, row: Endpoint) -> None:
        row.name, row.url, row.with_payload = self.name, self.url, self.with_payload
        row.kinds, row.queues, row.names = (json.dumps(list(each)) for each in (self.kinds, self.queues, self.names))
        row.data = json.dumps(dict(self.data))


def wish(
    name: str,
    url: str,
    kinds: Sequence[str],
    queues: str = "",
    names: str = "",
    data: str = "",
    with_payload: bool = False,
) -> Wish:
    """From a form: patterns and places one a line. Raises InvalidInput. The host is not resolved here."""
    name, url = " ".join(name.split()), url.strip()
    if not name or len(name) > LONGEST_NAME or "\0" in name:
        raise InvalidInput(_("A name has 1 to %(most)s characters.") % {"most": LONGEST_NAME})
    addresses.read(url)
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown or not kinds:
        raise InvalidInput(_("Choose at least one of: %(kinds)s.") % {"kinds": ", ".join(KINDS)})
    chosen = [kind for kind in KINDS if kind in kinds]
    found = _places(data)
    if found and not any(kind.startswith("job.") for kind in chosen):
        raise InvalidInput(_("Only jobs have data to choose by: choose job.completed or job.failed."))
    return Wish(name, url, chosen, _patterns(queues), _patterns(names), found, with_payload)


async def require_open(url: str) -> None:
    """Raises AddressRefused where the host leads inside. One that is not known now may be so later."""
    place = addresses.read(url)
    try:
        await addresses.checked(place)
    except addresses.Unresolved:
        return


def _patterns(text: str) -> tuple[str, ...]:
    found = _lines(text)
    for pattern in found:
        if len(pattern) > LONGEST or pattern.count("*") > MOST_STARS:
            raise InvalidInput(
                _("“%(pattern)s”: a pattern has at most %(most)s characters and %(stars)s stars.")
                % {"pattern": pattern[:60], "most": LONGEST, "stars": MOST_STARS}
            )
    return found


def _places(text: str) -> tuple[tuple[str, str], ...]:
    found = {}
    for line in _lines(text):
        place, is_one, wanted = (part.strip() for part in line.partition("="))
        if not is_one or not place or max(len(place), len(wanted)) > LONGEST:
            raise InvalidInput(
                _("“%(line)s”: write where it stands and what, such as plan.tier = pro.") % {"line": line[:60]}
            )
        found[place] = wanted
    return tuple(found.items())


def _lines(text: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
    if len(found) > MOST or "\0" in text:
        raise InvalidInput(_("At most %(most)s lines.") % {"most": MOST})
    return found
