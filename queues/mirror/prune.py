"""Rows of jobs that Redis no longer has are kept for a time and up to a size, then pruned in batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence

#: Called with the primary keys of rows that go, in the transaction in which they go: who keeps something of a row
#: (its words, its attempts) forgets it here.
FORGET: list[Callable[[Sequence[int]], None]] = []
