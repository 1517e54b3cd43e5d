from __future__ import annotations

from gt_workflow.adapters.clock import ManualClock
from gt_workflow.service.portal.recent import Recent


def test_an_answer_is_good_for_half_a_second():
    clock, asked = ManualClock(), []
    recent = Recent(clock)
    for wait in (0, 0.4, 0.2, 0.4):
        clock.sleep(wait)
        assert recent.get("key", lambda key: asked.append(key) or f"of {key}") == "of key"
    assert asked == ["key", "key"]


def test_no_answer_is_asked_for_again():
    recent, asked = Recent(ManualClock()), []
    for _ in range(2):
        assert recent.get("made up", asked.append) is None
    assert asked == ["made up"] * 2


def test_a_clock_that_is_set_back_makes_no_answer_last():
    clock, asked = ManualClock(), []
    recent = Recent(clock)
    recent.get("key", lambda key: asked.append(key) or "known")
    clock.sleep(-60)
    recent.get("key", lambda key: asked.append(key) or "known")
    assert len(asked) == 2
