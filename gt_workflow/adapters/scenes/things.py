"""What can be found on the demo's scenes: degus and running wheels, each one different.

Drawn three times too large and scaled down, for edges as soft as a lens makes them. Lengths are
hundredths of the thing's height. Everything follows from the `Random` that is passed in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps

from gt_workflow.adapters.scenes.grounds import clouds, noise

Colour = tuple[int, int, int]
Point = tuple[float, float]

_LARGE: Final = 3
_FURS: Final[tuple[tuple[Colour, Colour, Colour], ...]] = (
    ((62, 45, 30), (132, 100, 66), (196, 168, 128)),
    ((70, 58, 46), (146, 124, 98), (206, 188, 160)),
    ((48, 40, 36), (108, 92, 78), (176, 160, 142)),
    ((84, 54, 30), (164, 118, 70), (222, 190, 146)),
)
_RIMS: Final[tuple[Colour, ...]] = (
    (196, 60, 48),
    (52, 96, 168),
    (222, 170, 52),
    (74, 132, 84),
    (150, 152, 158),
    (140, 96, 60),
)


def degu(random: Random, height: int) -> Image.Image:
    """Return a degu in RGBA, about `height` pixels high, looking left or right."""
    brush = _Brush.on(random, (230, 150), height)
    dark, middle, pale = random.choice(_FURS)
    coat = ImageOps.colorize(
        _fur(random, brush.picture.size),
        black=dark,
        mid=middle,
        white=pale,
        blackpoint=10,
        whitepoint=245,
    )
    lift = random.uniform(-6, 10)  # how high it holds its head
    arch = random.uniform(0, 8)
    head = (168.0, 62 - lift)

    brush.stroke(_tail(random, arch), 5, dark)
    for x in (88, 150):
        brush.tuft((x, 124), (13, 7), _dim(dark))
    body = brush.mask(
        ((92.0, 88 - arch), (52.0, 38.0)),
        ((130.0, 86 - arch / 2), (42.0, 33.0)),
        ((152.0, 78 - lift / 2), (28.0, 27.0)),
        (head, (29.0, 23.0)),
        ((head[0] + 19, head[1] + 6), (16.0, 13.0)),
    )
    brush.picture.paste(_rounded(coat, body, dark), (0, 0), body)

    skin = (random.randint(176, 206), random.randint(134, 156), random.randint(120, 142))
    shaded = ImageChops.multiply(coat, Image.new("RGB", coat.size, (190, 180, 175)))
    for x, y in ((-18, -21), (1, -23)):
        ear = (head[0] + x, head[1] + y)
        brush.picture.paste(shaded, (0, 0), brush.mask((ear, (11, 14))))
        brush.tuft((ear[0] + 1, ear[1] + 1.5), (7, 10), skin)
    brush.dot((head[0] + 9, head[1] - 3), 5.2, pale)
    brush.dot((head[0] + 9, head[1] - 3), 4.2, (18, 14, 12))
    brush.dot((head[0] + 10.5, head[1] - 4.8), 1.3, (250, 250, 245))
    brush.dot((head[0] + 33, head[1] + 4), 3.2, (92, 60, 56))
    for spread in (-5, 0, 5):
        start = (head[0] + 28, head[1] + 9)
        brush.stroke([start, (start[0] - 16, start[1] + 6 + spread)], 0.7, pale)
    for x in (74, 132, 160):
        brush.tuft((x + 8, 125), (15, 5.5), (skin[0] - 30, skin[1] - 30, skin[2] - 30))
    return brush.finished(turn=random.uniform(-5, 5))


def wheel(random: Random, height: int) -> Image.Image:
    """Return a running wheel on its stand in RGBA, about `height` pixels high."""
    brush = _Brush.on(random, (170, 130), height)
    rim = random.choice(_RIMS)
    grey = random.randint(120, 176)
    steel = (grey, grey, grey)
    squeeze = random.uniform(0.72, 1.0)  # how far it is turned away
    shift = 8 + 26 * (1 - squeeze)  # of the far rim against the near one
    near, far = (72.0, 52.0), (72.0 + shift, 50.0)
    radii = (44 * squeeze, 44.0)
    turn = random.uniform(0, 1)

    for foot in (-30, 30):
        brush.stroke([far, (far[0] + foot * squeeze, 104)], 3.4, _dim(steel))
    brush.ring(far, radii, 4.5, _dim(rim))
    for number in range(26):
        angle = 2 * math.pi * (number + turn) / 26
        rung = [_on(near, radii, angle), _on(far, radii, angle)]
        brush.stroke(rung, 1.8, steel if math.sin(angle) < 0.3 else _dim(steel))
    spokes = random.choice((3, 4, 5))
    for number in range(spokes):
        end = _on(near, radii, 2 * math.pi * (number + turn) / spokes)
        brush.stroke([near, end], 2.6, _dim(rim))
    brush.ring(near, radii, 6, rim)
    brush.glint(near, (radii[0] - 2, radii[1] - 2), 1.6, rim)
    for foot in (-34, 34):
        brush.stroke([near, (near[0] + foot * squeeze, 108)], 4.4, steel)
    brush.stroke([(near[0] - 44 * squeeze, 108), (far[0] + 40 * squeeze, 106)], 6, _dim(steel))
    brush.dot(near, 5, steel)
    brush.dot(near, 2.4, (40, 40, 42))
    return brush.finished(turn=0)


@dataclass(frozen=True, slots=True)
class _Brush:
    """Draws on a canvas; `unit` is pixels per hundredth of the thing's height."""

    random: Random
    picture: Image.Image
    draw: ImageDraw.ImageDraw
    unit: float

    @classmethod
    def on(cls, random: Random, size: tuple[int, int], height: int) -> _Brush:
        """Take a clear canvas for a thing of `height` final pixels."""
        unit = height * _LARGE / 100
        picture = Image.new("RGBA", (round(size[0] * unit), round(size[1] * unit)), (0, 0, 0, 0))
        return cls(random, picture, ImageDraw.Draw(picture), unit)

    def mask(self, *ellipses: tuple[Point, Point]) -> Image.Image:
        """Return a mask of ellipses (centre, radii) with ragged edges."""
        mask = Image.new("L", self.picture.size, 0)
        draw = ImageDraw.Draw(mask)
        for centre, radii in ellipses:
            points = []
            for step in range(150):
                rough = 1 + self.random.uniform(-0.018, 0.03)
                reach = (radii[0] * rough, radii[1] * rough)
                points.append(self._scaled(_on(centre, reach, 2 * math.pi * step / 150)))
            draw.polygon(points, fill=255)
        return mask

    def tuft(self, centre: Point, radii: Point, colour: Colour) -> None:
        """Draw an ellipse with a ragged edge."""
        self.picture.paste((*colour, 255), (0, 0), self.mask((centre, radii)))

    def stroke(self, points: Sequence[Point], width: float, colour: Colour) -> None:
        """Draw a line with round ends."""
        large = [self._scaled(point) for point in points]
        thick = max(1, round(width * self.unit))
        self.draw.line(large, fill=colour, width=thick, joint="curve")
        for x, y in (large[0], large[-1]):
            half = thick / 2
            self.draw.ellipse((x - half, y - half, x + half, y + half), fill=colour)

    def dot(self, centre: Point, radius: float, colour: Colour) -> None:
        """Draw a disc."""
        self.draw.ellipse(self._frame(centre, (radius, radius)), fill=colour)

    def ring(self, centre: Point, radii: Point, width: float, colour: Colour) -> None:
        """Draw an ellipse's outline."""
        thick = max(1, round(width * self.unit))
        self.draw.ellipse(self._frame(centre, radii), outline=colour, width=thick)

    def glint(self, centre: Point, radii: Point, width: float, colour: Colour) -> None:
        """Draw the light on a ring's upper left."""
        bright = (min(255, colour[0] + 70), min(255, colour[1] + 70), min(255, colour[2] + 70))
        thick = max(1, round(width * self.unit))
        self.draw.arc(self._frame(centre, radii), 200, 300, fill=bright, width=thick)

    def finished(self, *, turn: float) -> Image.Image:
        """Mirror, scale, turn (degrees) and cut to what can be seen: alpha below 96 is nothing."""
        picture = self.picture
        if self.random.random() < 0.5:
            picture = ImageOps.mirror(picture)
        size = (picture.width // _LARGE, picture.height // _LARGE)
        small = picture.resize(size, Image.Resampling.BOX)
        if turn:
            small = small.rotate(turn, Image.Resampling.BICUBIC)
        alpha = small.getchannel("A")
        alpha = alpha.point([0 if value < 96 else value for value in range(256)])
        small.putalpha(alpha)
        return small.crop(alpha.getbbox())

    def _scaled(self, point: Point) -> Point:
        return point[0] * self.unit, point[1] * self.unit

    def _frame(self, centre: Point, radii: Point) -> tuple[float, float, float, float]:
        left, top = self._scaled((centre[0] - radii[0], centre[1] - radii[1]))
        right, bottom = self._scaled((centre[0] + radii[0], centre[1] + radii[1]))
        return left, top, right, bottom


def _fur(random: Random, size: tuple[int, int]) -> Image.Image:
    """Hairs that lie along the body, darker on the back than on the belly."""
    fine = noise(random, (size[0] // 8, size[1] // 2)).resize(size, Image.Resampling.BICUBIC)
    coarse = clouds(random, size, (5, 12))
    hairs = Image.blend(coarse, fine, 0.45)
    fall = Image.linear_gradient("L").resize(size)
    return Image.blend(hairs, fall, 0.35)


def _rounded(coat: Image.Image, mask: Image.Image, dark: Colour) -> Image.Image:
    """Darken a coat towards the edges of its mask, as on anything round."""
    core = mask.resize((mask.width // 4, mask.height // 4)).filter(ImageFilter.GaussianBlur(9))
    core = core.resize(mask.size, Image.Resampling.BICUBIC)
    core = core.point([min(255, 70 + value) for value in range(256)])
    shade = tuple(round(value * 0.6) for value in dark)
    return Image.composite(coat, Image.new("RGB", coat.size, shade), core)


def _tail(random: Random, arch: float) -> list[Point]:
    sway = random.uniform(-26, 18)
    steps = [step / 12 for step in range(13)]
    return [(52 - 48 * t, 100 - arch + sway * t * t + 14 * math.sin(2.4 * t)) for t in steps]


def _on(centre: Point, radii: Point, angle: float) -> Point:
    """Return the point of an ellipse at an angle."""
    return centre[0] + radii[0] * math.cos(angle), centre[1] + radii[1] * math.sin(angle)


def _dim(colour: Colour) -> Colour:
    return round(colour[0] * 0.6), round(colour[1] * 0.6), round(colour[2] * 0.6)
