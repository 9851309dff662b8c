"""Asking a Cluster's servers who holds which slots: a few at a time, and the first who answers is believed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from queues.errors import ConfigurationError, RedisUnavailable
from queues.options import ConnectionOptions
from queues.protocol.address import Address, seeds
from queues.protocol.cluster import slotmap
from queues.protocol.cluster.slotmap import QUESTION, Place, SlotMap
from queues.protocol.wire import Wire

AT_ONCE = 3


def to_be_asked(options: ConnectionOptions) -> list[Address]:
    """Whom we know of, then whom the settings name."""
    named = seeds(options)
    known = slotmap.known(options)
    met = (*known.primaries, *known.replicas) if known else ()
    places = dict.fromkeys([*met, *(Place(seed.host, seed.port) for seed in named)])
    return [named[0].at(*place) for place in places]


async def surveyed(options: ConnectionOptions, timeout_s: float) -> SlotMap:
    """Raises RedisUnavailable where nobody tells."""
    failure = RedisUnavailable("No server of the Cluster is named.")
    addresses = to_be_asked(options)
    try:
        async with asyncio.timeout(timeout_s):
            for start in range(0, len(addresses), AT_ONCE):
                try:
                    return await _first(options, addresses[start : start + AT_ONCE], timeout_s)
                except RedisUnavailable as error:
                    failure = error
    except TimeoutError:
        raise RedisUnavailable(f"No server of the Cluster answered within {timeout_s:g} s.") from None
    raise failure


async def _first(options: ConnectionOptions, addresses: Sequence[Address], timeout_s: float) -> SlotMap:
    failure = RedisUnavailable("No server of the Cluster is named.")
    asking = [asyncio.create_task(_ask(options, address, timeout_s)) for address in addresses]
    try:
        for answer in asyncio.as_completed(asking):
            try:
                return await answer
            except RedisUnavailable as error:
                failure = error
    finally:
        for each in asking:
            each.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
    raise failure


async def _ask(options: ConnectionOptions, address: Address, timeout_s: float) -> SlotMap:
    on = Wire(address, timeout_s=timeout_s)
    try:
        (told,) = await on.run([QUESTION], return_errors=True)
    except ConfigurationError as error:
        raise RedisUnavailable(str(error)) from None
    finally:
        await on.close()
    return slotmap.learn(options, told, Place(address.host, address.port))
