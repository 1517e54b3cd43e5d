"""How fast long work is said to be, and how long it may still take."""

from __future__ import annotations

import io

from gt_workflow.cli.show import Narrator


class Watch:
    now = 100.0

    def __call__(self):
        return self.now


def told(*steps, every=5.0):
    """Tell steps of (seconds since the last, done, total); return the lines."""
    watch, stream = Watch(), io.StringIO()
    with Narrator(stream=stream, every=every, seconds=watch) as narrator:
        for passed, done, total in steps:
            watch.now += passed
            narrator("packing", done, total)
    return stream.getvalue().splitlines()


def test_rate_and_time_left_are_of_what_this_run_did():
    assert told((0, 500, 1000), (10, 600, 1000), (10, 700, 1000)) == [
        "packing: 500 of 1000",
        "packing: 600 of 1000 (10/s, about 40 s to go)",
        "packing: 700 of 1000 (10/s, about 30 s to go)",
    ]


def test_slow_work_takes_hours_and_a_rate_below_ten_has_a_decimal():
    assert told((0, 0, 10_000), (10, 5, 10_000))[-1] == (
        "packing: 5 of 10000 (0.5/s, about 5.6 h to go)"
    )


def test_no_rate_within_the_first_second_nor_without_an_end_a_time():
    assert told((0, 0, 9), (0.5, 9, 9))[-1] == "packing: 9 of 9"
    assert told((0, 100, 0), (10, 900, 0))[-1] == "packing: 900 (80/s)"


def test_lines_come_at_intervals_and_the_last_at_once():
    assert told((0, 0, 9), (2, 1, 9), (2, 2, 9), (2, 3, 9), (0.1, 9, 9)) == [
        "packing: 0 of 9",
        "packing: 3 of 9 (0.5/s, about 12 s to go)",
        "packing: 9 of 9 (1.5/s)",
    ]


def test_a_count_that_falls_begins_the_stage_again():
    steps = ((0, 0, 100), (10, 100, 100), (10, 0, 100), (10, 50, 100))
    assert told(*steps)[-1] == "packing: 50 of 100 (5.0/s, about 10 s to go)"


def test_nothing_is_said_of_nothing():
    assert told((0, 0, 0)) == []
