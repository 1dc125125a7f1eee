"""Signals set a flag; a handler that needs a lock does not stop the thread that holds it."""

import os
import signal
import threading
import time

import pytest

from pvi_hpc.run.interrupt import StopFlag, answer_apart


@pytest.fixture
def restored():
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_handler_that_takes_a_lock_runs_when_the_lock_is_free(restored):
    lock, taken = threading.Lock(), []

    def handler(number, frame):
        with lock:
            taken.append(number)

    signal.signal(signal.SIGTERM, handler)
    answer_apart(signal.SIGTERM)
    with lock:
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.1)
        assert not taken
    deadline = time.monotonic() + 5
    while len(taken) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert taken == [signal.SIGTERM] * 3


def test_a_default_handler_stays(restored):
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    answer_apart(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_hangup_is_heard_unless_nohup_keeps_it_away(restored):
    with StopFlag() as stop:
        os.kill(os.getpid(), signal.SIGHUP)
        assert stop and stop.received == "SIGHUP"
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with StopFlag() as stop:
        os.kill(os.getpid(), signal.SIGHUP)
        assert not stop
