"""A job's stored fields as cards: the beginning of each, drawn as rows or raw, and the way to the rest of it.

Everything drawn here went through the masks first. Where a slice begins is signed: from another place a secret would
stand there without the key that tells that it is one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from django.core import signing
from django.utils.crypto import salted_hmac
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.pages.payload.json_html import drawn
from dashboard.pages.payload.json_rows import MOST_ROWS, Place, Slice, Step, after_string, slice_of
from dashboard.presentation import formatted
from queues.errors import InvalidInput
from queues.lookups.jobs import JobDetail
from queues.masking import mask_json, mask_text
from queues.models import Job
from queues.protocol.codec import text

START = Place()
#: So much of a value makes one slice; its rows are bounded too. What somebody asks for may be more than what comes
#: by itself.
SLICE_BYTES = 64 * 1024
MORE_BYTES, MORE_ROWS = 2 * SLICE_BYTES, MOST_ROWS

#: BullMQ's name → the model's, the formatter's, the title, and what is said where there is nothing.
FIELDS = (
    ("data", "data", "data", gettext_lazy("Data"), gettext_lazy("No data.")),
    ("returnvalue", "return_value", "return_value", gettext_lazy("Result"), ""),
    ("progress", "progress", "progress", gettext_lazy("Progress"), ""),
    ("opts", "opts", "", gettext_lazy("Options"), gettext_lazy("No options.")),
)
NAMES = tuple(field for field, *_rest in FIELDS)


@dataclass(frozen=True, slots=True)
class Card:
    """One stored field: `text` is what is here of its `size` bytes, from `place` on, as it is stored.

    `is_cut`: more of it follows. `is_raw`: wanted as it is stored. `is_left_out`: too large to be read
    again only because the job moved; what the page has of it stays.
    """

    job: Job
    field: str
    title: str
    none: str
    text: str
    size: int
    place: Place = START
    is_cut: bool = False
    is_raw: bool = False
    is_left_out: bool = False

    @property
    def problem(self) -> str:
        """What is wrong with it, where it is no JSON; a part of it cannot be judged."""
        if not self.text or self.is_cut or self.place.at:
            return ""
        try:
            json.loads(self.text)
        except RecursionError:
            return ""
        except ValueError as error:
            return _("This is not JSON (%(why)s). It is shown as it is stored.") % {"why": error}
        return ""

    @property
    def is_json(self) -> bool:
        if self.place.at:
            return True
        return not self.problem and self.text.lstrip()[:1] in '{["-0123456789tfn' and bool(self.text.strip())

    @property
    def same(self) -> str:
        """Equal for what is drawn alike: such a card is left alone when the page is told anew."""
        if self.is_left_out or self.is_cut:
            return f"{self.field}-{self.size}-"
        # Keyed: by a plain sum a short secret could be guessed.
        told = salted_hmac("toril.card", self.text.encode("utf-8", "replace"), algorithm="sha256").hexdigest()
        return f"{self.field}-{self.size}-{told[:16]}"

    @property
    def drawn(self) -> Drawn:
        return draw(self)


@dataclass(frozen=True, slots=True)
class Drawn:
    """`html`: rows of a tree, or text. `rest`: the signed place of what follows, empty where nothing does.

    `shown`: up to which byte of the value this reaches.
    """

    html: SafeString | str
    is_tree: bool
    rest: str
    shown: int
    rows: int = 0

    @property
    def is_long(self) -> bool:
        """Whether it is worth searching."""
        return self.rows > 12 or bool(self.rest)


def cards(detail: JobDetail, show: str = "", *, is_raw: bool = False) -> list[Card]:
    """The fields that have something to show; data and options always. `show` names the one that `is_raw` is of."""
    found: list[Card] = []
    for name, attribute, kind, title, none in FIELDS:
        stored, size, is_cut = str(getattr(detail.job, attribute)), detail.sizes.get(name, 0), name in detail.cut
        if not detail.job.exists or not (stored or none or size):
            continue
        if stored and kind and not is_cut:
            stored = formatted(detail.job.queue, kind, stored)
        left_out = is_cut and not stored
        found.append(
            Card(
                detail.job,
                name,
                str(title),
                str(none),
                stored,
                size,
                is_cut=is_cut,
                is_raw=is_raw and name == show,
                is_left_out=left_out,
            )
        )
    return found


def card_of(job: Job, field: str, value: bytes, place: Place, *, is_raw: bool = False) -> Card:
    """The slice of a whole value that begins at this place. Raises InvalidInput for what is no such field."""
    found = next((each for each in FIELDS if each[0] == field), None)
    if found is None:
        raise InvalidInput(_("There is no such field."))
    if place.is_inside_text:
        place = after_string(value, place)
    piece = value[place.at : place.at + (MORE_BYTES if place.at else SLICE_BYTES)]
    is_cut = place.at + len(piece) < len(value)
    return Card(job, field, str(found[3]), str(found[4]), text(piece), len(value), place, is_cut, is_raw)


def draw(card: Card) -> Drawn:
    if not card.is_json:
        return Drawn(mask_text(card.text), False, "", card.place.at + _bytes(card.text))
    most = MORE_ROWS if card.place.at else MOST_ROWS
    stored = slice_of(card.text, card.place, is_cut=card.is_cut, most=most)
    until = card.size if stored.rest is None else stored.rest.at
    rest = "" if stored.rest is None else signed(card, stored.rest)
    told = masked(card.text[: stored.length], card.place)
    if card.is_raw:
        is_part = stored.rest is not None and stored.rest.is_inside_text
        left = _("… and more, in the download") + "\n" if is_part else ""
        return Drawn(told + left, False, rest, until, len(stored.rows))
    rows = stored if told == card.text[: stored.length] else _again(told, card.place, stored, most)
    return Drawn(drawn(rows.rows, has_start=card.place.at == 0), True, rest, until, len(rows.rows))


def _again(told: str, place: Place, stored: Slice, most: int) -> Slice:
    """The rows of masked text: it ends where the slice does, in the middle of a value."""
    found = slice_of(told, place, is_cut=False, most=most)
    if stored.rest is not None and stored.rest.is_inside_text and stored.rows and found.rows:
        found.rows[-1] = replace(found.rows[-1], is_part=True)
    return found


def masked(piece: str, place: Place) -> str:
    """Part of a JSON value, its secrets masked by their shape and by every key they stand under."""
    opening = place.opening
    told = mask_json(opening + piece)
    # A mask may have taken the place of a container that was opened before: nothing of it is shown then.
    return told[len(opening) :] if told.startswith(opening) else mask_text(_("(masked)"))


def _bytes(stored: str) -> int:
    return len(stored.encode("utf-8", "replace"))


# --- signed places


def signed(card: Card, place: Place) -> str:
    steps = [list(step) for step in place.inside]
    return signing.dumps(
        [place.at, steps, place.is_inside_text, card.size], salt=_salt(card.job, card.field), compress=True
    )


def place_of(job: Job, field: str, token: str, size: int) -> Place:
    """What `signed` made this token of. Raises InvalidInput where it did not, or where the value is another by now."""
    try:
        at, steps, is_inside_text, was_size = signing.loads(token, salt=_salt(job, field))
    except signing.BadSignature:
        raise InvalidInput(_("There is no such place in this value.")) from None
    if was_size != size:
        raise InvalidInput(_("The value is another one by now. Reload the page to see it."))
    return Place(at, tuple(Step(*step) for step in steps), is_inside_text)


def _salt(job: Job, field: str) -> str:
    return "\0".join(("toril.slice", job.connection, job.queue, job.job_id, field))
