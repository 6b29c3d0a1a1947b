"""Training leaves the cores to others while they need them, and never stands still for them."""

import os
import subprocess
import sys

import psutil
import pytest

from training.sharing import BUSY_SHARE, REST, Courtesy, seconds_of_others


class Machine:
    """A clock that only work and sleep move on, and others that take `share` of all cores meanwhile."""

    def __init__(self, share=0.0):
        self.now, self.taken, self.slept, self.share = 0.0, 0.0, 0.0, share
        self.quiet_after = float("inf")

    def pass_by(self, seconds):
        self.now += seconds
        self.taken += seconds * (psutil.cpu_count() or 1) * (self.share if self.now < self.quiet_after else 0.0)

    def sleep(self, seconds):
        self.slept += seconds
        self.pass_by(seconds)

    def courtesy(self):
        return Courtesy(lambda: self.taken, lambda: self.now, self.sleep)


@pytest.mark.parametrize(("share", "rest"), [(0.0, 0.0), (BUSY_SHARE - 0.05, 0.0), (BUSY_SHARE + 0.05, 3 * REST)])
def test_it_rests_as_long_as_it_is_meant_to_where_others_compute(share, rest):
    machine = Machine(share)
    courtesy = machine.courtesy()
    machine.pass_by(3)
    courtesy.rest()
    assert machine.slept == pytest.approx(rest, abs=0.01)


def test_a_rest_ends_when_the_others_do():
    machine = Machine(0.9)
    courtesy = machine.courtesy()
    machine.quiet_after = 10.9
    machine.pass_by(10)
    courtesy.rest()
    assert 0.9 < machine.slept < 1.5
    machine.pass_by(10)
    courtesy.rest()
    assert machine.slept < 1.5, "what the others did before the work does not count"


@pytest.mark.skipif(os.nice(0) > 0, reason="runs at a low priority itself, and so does what it starts")
def test_what_others_compute_is_seen_and_what_we_compute_is_not():
    spin = subprocess.Popen([sys.executable, "-c", "while sum(range(10**5)): pass"])
    try:
        other = psutil.Process(spin.pid)
        before, own = seconds_of_others(), sum(psutil.Process().cpu_times()[:2])
        while sum(other.cpu_times()[:2]) < 0.5 or sum(psutil.Process().cpu_times()[:2]) < own + 0.5:
            sum(range(10**5))
        found = seconds_of_others() - before
    finally:
        spin.kill()
        spin.wait()
    assert found > 0.3


def test_those_who_can_wait_as_well_are_not_waited_for(monkeypatch):
    times = psutil.cpu_times()
    monkeypatch.setattr(psutil, "cpu_times", lambda: times)
    before = seconds_of_others()
    times = times._replace(nice=times.nice + 9)
    assert seconds_of_others() <= before
    times = times._replace(user=times.user + 9)
    assert seconds_of_others() > before + 5
