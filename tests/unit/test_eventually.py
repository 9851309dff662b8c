"""What tests wait with: seconds in which a process waited for a core do not count, and no wait lasts for ever."""

from __future__ import annotations

import pytest

from tests import eventually
from tests.eventually import MOST_PATIENCE, Stopwatch


class Machine:
    """`share` of the time some process waits for a core."""

    def __init__(self) -> None:
        self.now = self.stalled = self.share = 0.0

    def passes(self, seconds: float, share: float) -> None:
        self.now, self.stalled, self.share = self.now + seconds, self.stalled + seconds * share, share


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()
    monkeypatch.setattr(eventually.time, "monotonic", lambda: machine.now)
    monkeypatch.setattr(eventually, "pressure", lambda: (machine.share, machine.stalled))
    return machine


def test_on_an_idle_machine_every_second_counts(machine: Machine) -> None:
    watch = Stopwatch()
    machine.passes(4, share=0)
    assert (watch.passed_s, watch.calm_s, watch.slowness) == (4, 4, 1)
    assert not watch.is_over(4)
    machine.passes(1, share=0)
    assert watch.is_over(4)


def test_on_a_busy_one_those_count_in_which_nobody_waited(machine: Machine) -> None:
    watch = Stopwatch()
    machine.passes(8, share=0.75)
    assert (watch.calm_s, watch.slowness) == (2, 4)
    assert not watch.is_over(2)
    # Busy while it began counts for all of it: the kernel's sums are some seconds old.
    machine.passes(0.1, share=0)
    assert watch.slowness == pytest.approx(8.1 / 2.1)


def test_no_wait_lasts_for_ever_however_busy_the_machine(machine: Machine) -> None:
    watch = Stopwatch()
    machine.passes(5 * MOST_PATIENCE + 1, share=1)
    assert watch.slowness == pytest.approx(10)
    assert watch.is_over(5)


def test_what_the_kernel_tells_is_a_share_and_seconds() -> None:
    share, stalled_s = eventually.pressure()
    assert 0 <= share <= 1
    assert stalled_s >= 0
