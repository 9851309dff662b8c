"""What the site wants kept of a queue's jobs, applied before anything is written. Pure but for the settings.

Redis's own record goes in and the record that a row should hold comes out, so that a comparison of the two finds no
difference where the policy made it (`verify` asks here too).
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any
from zlib import crc32

from queues import masking
from queues.mirror.fold import Life
from queues.options import Kept, Payloads, Policy, get_options
from queues.protocol.codec import JobRecord
from queues.protocol.reads.jobs import JobSight
from queues.states import LISTED, State

#: In the order of the wire. All that a job carries or says; its name, ids and options are no payload.
JSONS = ("data", "progress", "return_value", "stacktrace")
TEXTS = ("failed_reason", "deferred_failure")
LEFT_OUT = "its payloads are not mirrored: the settings leave them out"


class Intake:
    """One queue's policy at work."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.limit_bytes = policy.payload_kb * 1024
        self.is_plain = policy.payloads is Payloads.KEPT
        self.keeps_all = policy.jobs is Kept.ALL
        self.keeps_none = policy.jobs is Kept.NONE
        #: States of which every job has a row.
        self.whole_states = LISTED if self.keeps_all else () if self.keeps_none else (State.FAILED,)

    def keeps(self, job_id: str, state: State, is_known: bool) -> bool:
        """Whether this job has a row; one that has a row (`is_known`) is followed on, whatever becomes of it."""
        if self.keeps_all:
            return True
        if self.keeps_none:
            return False
        return is_known or state is State.FAILED or self._is_sampled(job_id)

    def _is_sampled(self, job_id: str) -> bool:
        # By id, so that the whole of a job's life is kept or nothing, by whichever process.
        sampled = self.policy.jobs is Kept.SAMPLED
        return sampled and crc32(job_id.encode("utf-8", "surrogatepass")) % self.policy.sample == 0

    def sight(self, sight: JobSight) -> JobSight:
        return sight if self.is_plain else replace(sight, record=self.record(sight.record))

    def record(self, record: JobRecord) -> JobRecord:
        """As a row holds it."""
        if self.is_plain or not record.exists:
            return record
        if self.policy.payloads is Payloads.NONE:
            nothing: dict[str, Any] = dict.fromkeys((*JSONS, *TEXTS), "")
            return replace(record, **nothing, problems=(*record.problems, LEFT_OUT))
        masked: dict[str, Any] = {name: masking.mask_json(getattr(record, name)) for name in JSONS}
        masked |= {name: masking.mask_text(getattr(record, name)) for name in TEXTS}
        return replace(record, **masked)

    def life(self, life: Life) -> None:
        """What events told of a result, in place."""
        if self.is_plain or not life.result:
            return
        if self.policy.payloads is Payloads.NONE:
            life.result, life.is_cut = "", False
        elif life.state is State.FAILED:
            life.result = masking.mask_text(life.result)
        else:
            life.result = masking.mask_json(life.result)


def intake(queue: str) -> Intake:
    """What the settings say of this queue."""
    return _intake(get_options().mirror.of(queue))


@lru_cache(maxsize=128)
def _intake(policy: Policy) -> Intake:
    return Intake(policy)
