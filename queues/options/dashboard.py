"""What `TORIL["DASHBOARD"]` may say of the pages: title and links, what they show, how each queue is presented."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class Link:
    """`url` is an address on this site (`/…`) or of another (`https://…`)."""

    text: str
    url: str


@dataclass(frozen=True, slots=True)
class Environment:
    """Which installation this is, said on every page. `ink` is black or white, whichever is read better on `colour`."""

    text: str
    colour: str = ""
    ink: str = ""
    #: Also a line over the whole width.
    band: bool = False


@dataclass(frozen=True, slots=True)
class QueueView:
    """How one queue is presented; what is empty holds as for all."""

    title: str = ""
    description: str = ""
    #: What parts its name into groups; None: as for all.
    delimiter: str | None = None
    external_job_url: str = ""
    #: A JSON Schema, or the dotted path of a function that is given the queue's name and returns one.
    job_data_schema: Mapping[str, object] | str | None = None
    #: `data`, `return_value`, `progress`, `name` → a function's dotted path.
    formatters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Of the whole site. Colours are `#rrggbb`; `theme` is `light` and `dark`, each token → colour."""

    title: str = "Toril"
    logo: str = ""
    favicon: str = ""
    links: tuple[Link, ...] = ()
    docs_url: str = ""
    environment: Environment | None = None
    theme: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    menu_width: int = 236
    #: What parts the names of queues into groups; empty groups nothing.
    delimiter: str = "."
    group_by_delimiter: bool = True
    #: The overview's order where nobody chose another: name, oldest, or a state.
    sort: str = "name"
    jobs_per_page: int = 50
    #: live, slow or paused, where a browser chose none; whether it may choose; how often a slow page is told.
    refresh: str = "live"
    refresh_choice: bool = True
    refresh_every_s: int = 10
    #: relative (“3 min ago”) or absolute; how a day and a time are written, in Django's letters (Y y m n d j M D H G
    #: h g i s A).
    dates: str = "relative"
    date_format: str = "Y-m-d"
    time_format: str = "H:i:s"
    show_workers: bool = True
    show_metrics: bool = True
    show_redis: bool = True
    external_job_url: str = ""
    formatters: Mapping[str, str] = field(default_factory=dict)
    #: A queue's name, or a pattern with `*`, → how it is presented.
    queues: Mapping[str, QueueView] = field(default_factory=dict)

    def queue(self, name: str) -> QueueView:
        """The queue's own view, else that of the longest pattern which fits its name, else nothing in particular."""
        if (found := self.queues.get(name)) is not None:
            return found
        fitting = [pattern for pattern in self.queues if fnmatchcase(name, pattern)]
        return self.queues[max(fitting, key=len)] if fitting else NO_VIEW

    def title_of(self, name: str) -> str:
        """What the pages call this queue: its title, else its name."""
        return self.queue(name).title or name

    def delimiter_of(self, name: str) -> str:
        """What parts this queue's name into groups; empty for nothing."""
        own = self.queue(name).delimiter
        return self.delimiter if own is None else own

    def external_url_of(self, name: str) -> str:
        """The template or dotted path of the link from this queue's jobs to elsewhere; empty for none."""
        return self.queue(name).external_job_url or self.external_job_url

    def formatter_of(self, name: str, what: str) -> str:
        """The dotted path of what draws this part of this queue's jobs; empty for none."""
        return self.queue(name).formatters.get(what, "") or self.formatters.get(what, "")


NO_VIEW = QueueView()
