"""Groups of failures for pages: listed over a window, one in full, its jobs. What is not seen is not counted."""

from queues.lookups.failures.groups import Asked, Line, Listing, listing
from queues.lookups.failures.jobs import failed_now, group_of, keys_of, places_of, samples
from queues.lookups.failures.one import Detail, alike, detail
from queues.lookups.failures.windows import WINDOWS, Window

__all__ = [
    "WINDOWS", "Asked", "Detail", "Line", "Listing", "Window", "alike", "detail", "failed_now", "group_of", "keys_of",
    "listing", "places_of", "samples",
]  # fmt: skip
