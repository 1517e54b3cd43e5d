"""Where the demo's scenes take place: grounds, shadows, and the light a camera sees them in.

Everything follows from the `Random` that is passed in: the same seed gives the same pixels.
"""

from __future__ import annotations

import math
from random import Random

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageOps


def noise(random: Random, size: tuple[int, int]) -> Image.Image:
    """Return white noise, mode L."""
    return Image.frombytes("L", size, random.randbytes(size[0] * size[1]))


def clouds(random: Random, size: tuple[int, int], cells: tuple[int, ...]) -> Image.Image:
    """Return noise of several grains laid over each other, mode L; `cells` per side, coarse first.

    Each grain has half the weight of all before it together.
    """
    layers = [
        noise(random, (count, max(2, count * size[1] // size[0]))).resize(
            size, Image.Resampling.BICUBIC
        )
        for count in cells
    ]
    mixed = layers[0]
    for layer in layers[1:]:
        mixed = Image.blend(mixed, layer, 1 / 3)
    return ImageOps.autocontrast(mixed, cutoff=1)


def ground(random: Random, size: tuple[int, int], horizon: int) -> Image.Image:
    """Return an empty scene: something blurred behind, bedding, boards or grass in front."""
    width, height = size
    picture = _backdrop(random, (width, horizon))
    front = random.choice((_bedding, _boards, _grass))(random, (width, height - horizon))
    scene = Image.new("RGB", size)
    scene.paste(picture, (0, 0))
    scene.paste(front, (0, horizon))
    # No lens shows an edge where floor and wall meet.
    strip = scene.crop((0, horizon - 24, width, horizon + 24))
    seam = Image.new("L", strip.size, 0)
    ImageDraw.Draw(seam).rectangle((0, 17, width, 29), fill=255)
    soft = strip.filter(ImageFilter.GaussianBlur(6))
    scene.paste(soft, (0, horizon - 24), seam.filter(ImageFilter.GaussianBlur(5)))
    return scene


def light(random: Random, scene: Image.Image) -> Image.Image:
    """Return the scene as a camera would have it: lit from a side, tinted, a little noisy."""
    size = scene.size
    angle = random.uniform(0, 360)
    slope = Image.linear_gradient("L").resize((512, 512)).rotate(angle, Image.Resampling.BICUBIC)
    slope = slope.crop((106, 106, 406, 406)).resize(size, Image.Resampling.BICUBIC)
    depth = random.uniform(0.15, 0.45)
    slope = slope.point([round(255 - depth * (255 - value)) for value in range(256)])
    edge = Image.radial_gradient("L").resize(size, Image.Resampling.BICUBIC)
    edge = edge.point([round(255 - 0.32 * (value / 255) ** 2 * 255) for value in range(256)])
    shade = ImageChops.multiply(slope, edge)
    lit = ImageChops.multiply(scene, Image.merge("RGB", (shade, shade, shade)))
    warm, exposure = random.uniform(-0.09, 0.09), random.uniform(1.05, 1.4)
    gains = (exposure * (1 + warm), exposure, exposure * (1 - warm))
    lit = lit.point([min(255, round(value * gain)) for gain in gains for value in range(256)])
    strength = random.uniform(0.05, 0.11)
    grain = noise(random, size).filter(ImageFilter.GaussianBlur(0.6))
    grain = grain.point([round(value * strength) for value in range(256)])
    return ImageChops.add(lit, Image.merge("RGB", (grain, grain, grain)), 1, -round(strength * 128))


def shadow(mask: Image.Image, *, dark: float) -> Image.Image:
    """Return how much a thing darkens the floor around its feet, mode L, 255 for not at all.

    The result is larger than `mask` by its height on every side.
    """
    width, height = mask.size
    flat = mask.resize((width, max(2, height // 4)))
    field = Image.new("L", (width + 2 * height, 3 * height), 0)
    field.paste(flat, (height, 2 * height - flat.height * 3 // 4))
    field = field.filter(ImageFilter.GaussianBlur(height / 18))
    return field.point([round(255 - dark * value) for value in range(256)])


def _backdrop(random: Random, size: tuple[int, int]) -> Image.Image:
    """Paint a wall or leaves out of focus, and lights among them."""
    grey, tint = random.randint(80, 150), random.randint(8, 26)
    base = [grey + random.randint(-tint, tint) for _ in range(3)]
    low = tuple(round(value * 0.45) for value in base)
    high = tuple(min(255, round(value * 1.35)) for value in base)
    picture = ImageOps.colorize(clouds(random, size, (3, 6, 14)), black=low, white=high)
    spots = Image.new("RGB", size, (0, 0, 0))
    draw = ImageDraw.Draw(spots)
    for _ in range(random.randint(4, 14)):
        x, y = random.uniform(0, size[0]), random.uniform(0, size[1])
        radius = random.uniform(8, 42)
        glow = random.randint(20, 70)
        tone = tuple(glow + random.randint(-18, 18) for _ in range(3))
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=tone)
    spots = spots.filter(ImageFilter.GaussianBlur(5))
    return ImageChops.add(picture, spots).filter(ImageFilter.GaussianBlur(4))


def _bedding(random: Random, size: tuple[int, int]) -> Image.Image:
    """Strew wood shavings, small far away and large up front."""
    tone = random.randint(-18, 14)
    low, high = (96 + tone, 76 + tone, 52 + tone), (214 + tone, 188 + tone, 146 + tone)
    picture = ImageOps.colorize(clouds(random, size, (5, 30, 160)), black=low, white=high)
    draw = ImageDraw.Draw(picture)
    for number in range(900):
        y = size[1] * (number / 900)
        reach = 3 + 17 * y / size[1]
        x, angle = random.uniform(0, size[0]), random.uniform(-0.7, 0.7) + random.choice((0, 2.2))
        end = (x + reach * math.cos(angle), y + reach * 0.5 * math.sin(angle))
        shade = random.randint(-34, 40)
        colour = (182 + tone + shade, 154 + tone + shade, 110 + tone + shade)
        draw.line(((x, y), end), fill=colour, width=1 + int(3 * y / size[1]))
    return picture.filter(ImageFilter.GaussianBlur(0.7))


def _boards(random: Random, size: tuple[int, int]) -> Image.Image:
    """Lay a wooden floor that runs away from the camera."""
    width, height = size
    plain = (width * 2, height)
    grain = clouds(random, plain, (6, 90, 260)).resize((width * 2, 24)).resize(plain)
    tone = random.randint(-24, 20)
    low, high = (74 + tone, 48 + tone, 28 + tone), (178 + tone, 128 + tone, 82 + tone)
    boards = ImageOps.colorize(grain, black=low, white=high)
    draw = ImageDraw.Draw(boards)
    for x in range(0, plain[0], 64 + random.randint(0, 20)):
        draw.line(((x, 0), (x, height)), fill=(46 + tone, 30 + tone, 18 + tone), width=3)
    # Twice as wide at the horizon as at hand: x / (1 + k y), y likewise.
    fall = 3 / height
    view = (2, width * fall, 0, 0, 4, 0, 0, fall)
    return boards.transform(size, Image.Transform.PERSPECTIVE, view, Image.Resampling.BICUBIC)


def _grass(random: Random, size: tuple[int, int]) -> Image.Image:
    """Grow a lawn, blade by blade."""
    tone = random.randint(-16, 12)
    low, high = (34 + tone, 52 + tone, 22 + tone), (130 + tone, 148 + tone, 70 + tone)
    picture = ImageOps.colorize(clouds(random, size, (4, 24, 140)), black=low, white=high)
    draw = ImageDraw.Draw(picture)
    for number in range(1500):
        y = size[1] * number / 1500
        reach = 4 + 20 * y / size[1]
        x, lean = random.uniform(0, size[0]), random.uniform(-0.5, 0.5)
        shade = random.randint(-30, 46)
        colour = (78 + tone + shade, 110 + tone + shade, 46 + tone + shade // 2)
        tip = (x + lean * reach, y - reach)
        draw.line(((x, y), tip), fill=colour, width=1 + int(2.2 * y / size[1]))
    return picture.filter(ImageFilter.GaussianBlur(0.7))
