"""A queue written by hand: jobs of any age, in any place, for tests of what BullMQ's own adds do not make."""

from __future__ import annotations

import time

import redis


class HandmadeQueue:
    def __init__(self, client: redis.Redis, prefix: str) -> None:
        self.client, self.base = client, f"{prefix}:chat:"
        client.hset(f"{self.base}meta", "opts.maxLenEvents", 10000)

    def hashes(self, ids, age_ms: int = 60_000, **fields) -> None:
        stamp = int(time.time() * 1000) - age_ms
        with self.client.pipeline(transaction=False) as pipe:
            for job_id in ids:
                given = {
                    "name": "n",
                    "data": "{}",
                    "opts": "{}",
                    "timestamp": stamp,
                    "delay": 0,
                    "priority": 0,
                    **fields,
                }
                pipe.hset(self.base + job_id, mapping=given)
            pipe.execute()

    def waiting(self, ids, suffix: str = "wait", **more) -> None:
        """The first id is the next to run."""
        self.hashes(ids, **more)
        self.client.lpush(f"{self.base}{suffix}", *ids)

    def scored(self, suffix: str, ids, first: int = 1, **more) -> None:
        self.hashes(ids, **more)
        self.client.zadd(f"{self.base}{suffix}", {job_id: first + n for n, job_id in enumerate(ids)})

    def iteration(self, scheduler: str, suffix: str, due_ms: int = 1_900_000_000_000) -> str:
        """The coming run of a scheduler, in a list or set."""
        job_id = f"repeat:{scheduler}:{due_ms}"
        self.client.zadd(f"{self.base}repeat", {scheduler: due_ms})
        if suffix in ("delayed", "prioritized"):
            self.scored(suffix, [job_id], first=0, rjk=scheduler)
        else:
            self.hashes([job_id], rjk=scheduler)
            self.client.rpush(f"{self.base}{suffix}", job_id)
        return job_id

    def ids(self, suffix: str) -> list[str]:
        key = f"{self.base}{suffix}"
        kind = self.client.type(key)
        found = self.client.lrange(key, 0, -1)[::-1] if kind == b"list" else []
        return [one.decode() for one in (self.client.zrange(key, 0, -1) if kind == b"zset" else found)]

    def job_keys(self) -> set[str]:
        names = [key.decode()[len(self.base) :] for key in self.client.scan_iter(f"{self.base}*", count=5000)]
        structural = set(
            "wait paused active prioritized delayed completed failed meta id events marker repeat pc".split()
        )
        return set(names) - structural


def names(stem: str, count: int) -> list[str]:
    return [f"{stem}{n:05}" for n in range(count)]
