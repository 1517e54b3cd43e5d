"""The first Ctrl-C ends in good order, a later one at once."""

from __future__ import annotations

import signal

import pytest

from gt_workflow.cli.interrupts import Interrupts, handled


class Ended(Exception):  # noqa: N818 - no error
    pass


def ending(status):
    raise Ended(status)


def test_a_later_signal_ends_at_once_and_says_how_to_go_on(capfd):
    times = iter([10.0, 10.1, 10.6])
    interrupts = Interrupts(now=lambda: next(times), end=ending)
    with pytest.raises(KeyboardInterrupt):
        interrupts(signal.SIGINT, None)
    interrupts(signal.SIGINT, None)  # sent on by a wrapper
    assert capfd.readouterr().err == ""
    with pytest.raises(Ended, match="130"):
        interrupts(signal.SIGTERM, None)
    assert "interrupted; the same command goes on from here" in capfd.readouterr().err


def test_handlers_are_put_back_and_what_was_ignored_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with handled():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGINT, before)
    with handled(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_the_first_signal_may_mean_something_else(capfd):
    times = iter([1.0, 2.0])
    told = []
    interrupts = Interrupts(lambda: told.append(1), now=lambda: next(times), end=ending)
    interrupts()
    assert told == [1]
    with pytest.raises(Ended):
        interrupts()
    assert capfd.readouterr().err
