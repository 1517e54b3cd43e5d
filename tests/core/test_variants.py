"""Names, draws and geometry of variants; where the boxes go."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gt_workflow.core.boxes import Box
from gt_workflow.core.variant_boxes import Keeping, follow
from gt_workflow.core.variants import DRAWN, SEED_TEN, choose, draw, parse, recipe
from gt_workflow.errors import UsageError

ALL = (*SEED_TEN, *DRAWN, "rotate-33.5", "crop-2")
ANY = Keeping(min_visible=0.0, min_side=1e-9)


def geometry(name, width, height, *, expand=False, boxes=(), key="k"):
    variant = draw(name, width=width, height=height, boxes=boxes, seed=3, key=key)
    return recipe(variant, width=width, height=height, expand=expand).geometry


def moved(name, box, width, height, keeping=ANY, *, expand=False):
    return follow(
        box,
        geometry(name, width, height, expand=expand),
        width=width,
        height=height,
        keeping=keeping,
    )


def test_the_seeds_ten_are_a_set_of_their_own():
    assert parse(["seed-ten"]) == SEED_TEN
    assert len(set(SEED_TEN)) == 10


def test_names_are_spelt_one_way_and_kept_once():
    assert parse(["rotate-15.0", "rotate-15", "crop", "crop-2"]) == ("rotate-15", "crop", "crop-2")


@pytest.mark.parametrize("name", ["rotate-0", "rotate-360", "rotate--5", "spin", "", "crop-1"])
def test_a_name_that_is_none_says_which_there_are(name):
    with pytest.raises(UsageError):
        parse([name])


@pytest.mark.parametrize(
    "name",
    ["rotate-1" + "0" * 400, "crop-" + "9" * 300, "crop-10000", "rotate-0.000000001"],
)
def test_a_number_beyond_reason_is_refused_in_a_short_sentence(name):
    with pytest.raises(UsageError) as refusal:
        parse([name])
    assert len(str(refusal.value)) < 300


@given(st.floats(1e-7, 359.9999))
def test_every_angle_is_spelt_so_that_it_can_be_read_again(degrees):
    (name,) = parse([f"rotate-{degrees:.12f}"])
    assert parse([name]) == (name,)
    assert draw(name, width=9, height=9, boxes=[], seed=0, key="").parameters == {
        "degrees": pytest.approx(degrees, abs=1e-8)
    }


def test_no_name_at_all_is_an_error():
    with pytest.raises(UsageError, match="at least one"):
        parse([])


@given(key=st.text(), seed=st.integers(0, 99), count=st.integers(1, 9))
def test_a_choice_depends_on_seed_and_key_and_keeps_the_order(key, seed, count):
    chosen = choose(SEED_TEN, per_image=count, seed=seed, key=key)
    assert chosen == choose(SEED_TEN, per_image=count, seed=seed, key=key)
    assert len(chosen) == count
    assert [name for name in SEED_TEN if name in chosen] == list(chosen)


def test_other_photographs_get_other_choices():
    choices = {choose(SEED_TEN, per_image=3, seed=0, key=str(n)) for n in range(50)}
    assert len(choices) > 20


def test_what_is_drawn_by_chance_can_be_drawn_again():
    names = choose(("flip-lr", "crop"), per_image=4, seed=0, key="a")
    assert names == ("flip-lr", "crop", "crop-2", "crop-3")
    with pytest.raises(UsageError, match="drawn by chance"):
        choose(("flip-lr",), per_image=2, seed=0, key="a")


@pytest.mark.parametrize("name", DRAWN)
def test_draws_differ_by_seed_key_and_draw_alone(name):
    def one(seed, key, text):
        return draw(text, width=640, height=480, boxes=[], seed=seed, key=key).parameters

    assert one(1, "a", name) == one(1, "a", name)
    assert len({str(one(seed, "a", name)) for seed in range(20)}) > 10
    assert len({str(one(1, str(key), name)) for key in range(20)}) > 10


sizes = st.integers(1, 400)


@st.composite
def boxed(draw_from):
    width, height = draw_from(sizes), draw_from(sizes)
    left = draw_from(st.floats(0, width - 0.5))
    top = draw_from(st.floats(0, height - 0.5))
    box = Box.from_corners(
        left,
        top,
        draw_from(st.floats(left + 0.25, width)),
        draw_from(st.floats(top + 0.25, height)),
    )
    return width, height, box


@given(boxed(), st.sampled_from(ALL), st.booleans(), st.sampled_from(["rectangle", "ellipse"]))
def test_a_box_stays_inside_its_frame(case, name, expand, fit):
    width, height, box = case
    to = geometry(name, width, height, expand=expand)
    found = follow(box, to, width=width, height=height, keeping=Keeping(fit, 0.0, 1e-9))
    if found is not None:
        assert min(found.left, found.top) >= 0
        assert found.right <= to.width + 1e-9
        assert found.bottom <= to.height + 1e-9


@given(boxed(), st.sampled_from(("flip-lr", "flip-tb", "rotate-180")))
def test_twice_is_the_identity(case, name):
    width, height, box = case
    once = moved(name, box, width, height)
    twice = moved(name, once, width, height)
    for edge in ("left", "top", "right", "bottom"):
        assert getattr(twice, edge) == pytest.approx(getattr(box, edge), abs=1e-9)


@given(boxed())
def test_four_right_angles_are_the_identity_and_three_are_270(case):
    width, height, box = case
    once = moved("rotate-90", box, width, height)
    twice = moved("rotate-90", once, height, width)
    thrice = moved("rotate-90", twice, width, height)
    assert thrice.left == pytest.approx(moved("rotate-270", box, width, height).left, abs=1e-9)
    assert moved("rotate-90", thrice, height, width).left == pytest.approx(box.left, abs=1e-9)


def test_a_turn_is_counter_clockwise():
    # At the right edge, in the middle: it comes to the top.
    assert moved("rotate-90", Box(90, 45, 10, 10), 100, 100) == Box(45, 0, 10, 10)
    assert moved("rotate-270", Box(90, 45, 10, 10), 100, 100) == Box(45, 90, 10, 10)


@given(boxed(), st.floats(0.1, 359.9))
def test_a_grown_frame_loses_nothing_and_the_ellipse_lies_in_the_rectangle(case, degrees):
    width, height, box = case
    name = parse([f"rotate-{degrees:.3f}"])[0]
    outer = moved(name, box, width, height, expand=True)
    inner = moved(name, box, width, height, Keeping("ellipse", 0, 1e-9), expand=True)
    slack = 2e-6 + 1e-9
    assert outer.left <= inner.left + slack
    assert outer.right >= inner.right - slack
    angle = math.radians(float(name.removeprefix("rotate-")))
    wide = abs(box.width * math.cos(angle)) + abs(box.height * math.sin(angle))
    assert outer.width == pytest.approx(wide, abs=1e-4)


def test_what_leaves_the_frame_is_measured_on_the_outline():
    half = Box(190, 0, 10, 10)
    grown = geometry("rotate-45", 200, 200)
    assert follow(half, grown, width=200, height=200, keeping=Keeping()) is None
    assert moved("rotate-45", Box(95, 95, 10, 10), 200, 200) is not None


def test_a_box_that_is_cut_hugs_what_is_left():
    # The lower right corner is cut off by the frame: the bounds of the rest are inside the
    # frame, and not simply the frame's own edge wherever the uncut box left it.
    to = geometry("rotate-30", 100, 100)
    cut = follow(Box(60, 0, 40, 40), to, width=100, height=100, keeping=ANY)
    corners = [to(x, y) for x, y in itertools.product((60, 100), (0, 40))]
    assert cut.left > min(x for x, _ in corners) - 1e-9
    assert cut.right <= 100
    assert cut.top == 0


def test_what_of_a_box_lies_outside_the_photograph_is_no_object():
    assert moved("flip-lr", Box(-10, 0, 20, 10), 100, 50) == Box(90, 0, 10, 10)
    assert moved("flip-lr", Box(-10, 0, 5, 10), 100, 50) is None
    assert moved("flip-lr", Box(10, 10, 0, 10), 100, 50) is None


def test_small_boxes_go():
    assert moved("flip-lr", Box(0, 0, 1.5, 40), 100, 50, Keeping(min_side=2)) is None


@given(boxed(), st.integers(0, 1000))
def test_a_crop_holds_a_box_as_a_whole(case, key):
    width, height, box = case
    variant = draw("crop", width=width, height=height, boxes=[box], seed=0, key=str(key))
    at = variant.parameters
    assert at["left"] % 16 == 0
    assert at["top"] % 16 == 0
    assert at["left"] <= box.left
    assert at["top"] <= box.top
    assert box.right <= at["left"] + at["width"] <= width
    assert box.bottom <= at["top"] + at["height"] <= height


@given(boxed(), st.integers(0, 1000))
def test_a_crop_leaves_room_around_its_box_where_the_photograph_has_some(case, key):
    width, height, box = case
    at = draw("crop", width=width, height=height, boxes=[box], seed=0, key=str(key)).parameters
    for near, far, begin, length, size in (
        (box.left, box.right, at["left"], at["width"], width),
        (box.top, box.bottom, at["top"], at["height"], height),
    ):
        room = max(1.0, 0.05 * (far - near))
        assert begin == 0 or near - begin >= room - 1e-9
        assert begin + length == size or begin + length - far >= room - 1e-9
