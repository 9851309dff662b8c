"""Search over all queues, live and past: one line of text, the same answers on both databases.

`parse` reads the line, `page` gives what it means newest first, `matching` every job it means, `with_id` the jobs of
an id, `suggest` how the line may go on. `Seen` is what the asker may see: pages make it of `known_queues` and grants.
"""

from queues.lookups.search.finding import known_queues, matching, page, with_id
from queues.lookups.search.query import Query, parse
from queues.lookups.search.seen import Key, Page, Place, Seen, Suggestion
from queues.lookups.search.suggesting import suggest

__all__ = [
    "Key", "Page", "Place", "Query", "Seen", "Suggestion", "known_queues", "matching", "page", "parse", "suggest",
    "with_id",
]  # fmt: skip
