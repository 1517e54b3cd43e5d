import assert from "node:assert/strict";
import { test } from "node:test";

import * as g from "../../gt_workflow/service/portal/static/crowd/geometry.js";

const raster = { width: 640, height: 480 };
const box = (left, top, width, height) => ({ left, top, width, height });

test("a box spans two points in any order, on whole pixels", () => {
  const a = { x: 10.4, y: 20.6 };
  const b = { x: 30.5, y: 50.2 };
  const c = { x: a.x, y: b.y };
  const d = { x: b.x, y: a.y };
  for (const [from, to] of [[a, b], [b, a], [c, d], [d, c]]) {
    assert.deepEqual(g.spanned(from, to, raster), box(10, 21, 21, 29));
  }
});

test("a box stays inside the raster", () => {
  assert.deepEqual(g.spanned({ x: -50, y: -1 }, { x: 9999, y: 480.4 }, raster), box(0, 0, 640, 480));
  assert.deepEqual(g.spanned({ x: 700, y: 500 }, { x: 900, y: 900 }, raster), box(638, 478, 2, 2));
});

test("a box is never thinner than the minimum, and grows the way it was dragged", () => {
  assert.deepEqual(g.spanned({ x: 10, y: 10 }, { x: 10.2, y: 40 }, raster), box(10, 10, 2, 30));
  assert.deepEqual(g.spanned({ x: 10, y: 10 }, { x: 9.6, y: 40 }, raster), box(8, 10, 2, 30));
  assert.deepEqual(g.spanned({ x: 640, y: 10 }, { x: 640, y: 40 }, raster), box(638, 10, 2, 30));
  assert.deepEqual(g.spanned({ x: 0, y: 0 }, { x: 1, y: 1 }, { width: 1, height: 1 }), box(0, 0, 1, 1));
});

test("whatever the points, the box is whole, inside and big enough", () => {
  let seed = 7;
  const random = () => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return seed / 2147483648;
  };
  for (let round = 0; round < 2000; round += 1) {
    const size = { width: 2 + Math.floor(random() * 50), height: 2 + Math.floor(random() * 50) };
    const point = () => ({ x: random() * 120 - 40, y: random() * 120 - 40 });
    const drawn = g.spanned(point(), point(), size);
    const handle = g.HANDLES[Math.floor(random() * 8)];
    const changed = g.resized(drawn, handle, random() * 200 - 100, random() * 200 - 100, size);
    for (const result of [drawn, changed, g.moved(changed, random() * 99 - 50, 3.4, size)]) {
      assert.ok(Object.values(result).every(Number.isInteger), JSON.stringify(result));
      assert.ok(result.left >= 0 && result.top >= 0);
      assert.ok(result.left + result.width <= size.width);
      assert.ok(result.top + result.height <= size.height);
      assert.ok(result.width >= g.MIN_SIDE && result.height >= g.MIN_SIDE);
    }
  }
});

test("fractions of a consolidated box are rounded edge by edge, its label kept", () => {
  assert.deepEqual(g.rounded({ label: "a", left: 1.4, top: 2.5, width: 10.2, height: 0.1 }, raster), {
    label: "a", left: 1, top: 3, width: 11, height: 1,
  });
  assert.deepEqual(g.rounded(box(-3, 470.2, 5.4, 30), raster), box(0, 470, 2, 10));
});

test("a moved box stops at the edge and keeps its size", () => {
  assert.deepEqual(g.moved(box(10, 10, 20, 30), 5.4, -3.6, raster), box(15, 6, 20, 30));
  assert.deepEqual(g.moved(box(10, 10, 20, 30), -999, 999, raster), box(0, 450, 20, 30));
});

test("a handle drags its own edges only", () => {
  const start = box(100, 100, 50, 40);
  assert.deepEqual(g.resized(start, "nw", 10, 5, raster), box(110, 105, 40, 35));
  assert.deepEqual(g.resized(start, "n", 10, -5, raster), box(100, 95, 50, 45));
  assert.deepEqual(g.resized(start, "ne", 10, -5, raster), box(100, 95, 60, 45));
  assert.deepEqual(g.resized(start, "e", -10, 99, raster), box(100, 100, 40, 40));
  assert.deepEqual(g.resized(start, "se", 10, 10, raster), box(100, 100, 60, 50));
  assert.deepEqual(g.resized(start, "s", 99, 10, raster), box(100, 100, 50, 50));
  assert.deepEqual(g.resized(start, "sw", -10, 10, raster), box(90, 100, 60, 50));
  assert.deepEqual(g.resized(start, "w", -10, 99, raster), box(90, 100, 60, 40));
});

test("an edge dragged over the opposite one turns the box over", () => {
  assert.deepEqual(g.resized(box(100, 100, 50, 40), "w", 80, 0, raster), box(150, 100, 30, 40));
  assert.deepEqual(g.resized(box(100, 100, 50, 40), "se", -80, -60, raster), box(70, 80, 30, 20));
});

test("a key's step ends where a box has its smallest size", () => {
  const start = box(100, 100, 50, 40);
  assert.deepEqual(g.stretched(start, "se", -80, -10, raster), box(100, 100, 2, 30));
  assert.deepEqual(g.stretched(start, "nw", 80, 99, raster), box(148, 138, 2, 2));
  assert.deepEqual(g.stretched(start, "ne", 10, -10, raster), box(100, 90, 60, 50));
  assert.deepEqual(g.stretched(start, "sw", -999, 999, raster), box(0, 100, 150, 380));
  assert.deepEqual(g.stretched(box(9, 9, 1, 1), "se", -1, -1, raster), box(9, 9, 2, 2));
});

test("two fingers have a middle and a distance, never none", () => {
  assert.deepEqual(g.pinched({ x: 0, y: 0 }, { x: 6, y: 8 }), { x: 3, y: 4, distance: 10 });
  assert.equal(g.pinched({ x: 1, y: 1 }, { x: 1, y: 1 }).distance, 1);
});

test("the nearest handle is found within reach", () => {
  const target = box(100, 100, 50, 40);
  assert.equal(g.handleAt(target, { x: 98, y: 103 }, 6), "nw");
  assert.equal(g.handleAt(target, { x: 125, y: 141 }, 6), "s");
  assert.equal(g.handleAt(target, { x: 125, y: 120 }, 6), null);
  assert.equal(g.handleAt(box(100, 100, 6, 6), { x: 106, y: 106 }, 6), "se");
});

test("of overlapping boxes the smallest comes first", () => {
  const boxes = [box(0, 0, 100, 100), box(10, 10, 20, 20), box(300, 300, 5, 5), box(5, 5, 50, 50)];
  assert.deepEqual(g.boxesAt(boxes, { x: 15, y: 15 }), [1, 3, 0]);
  assert.deepEqual(g.boxesAt(boxes, { x: 305, y: 305 }), []);
  assert.deepEqual(g.boxesAt(boxes, { x: 300, y: 304.9 }), [2]);
});

test("the fitted view shows all of the raster, in the middle", () => {
  const view = g.fitted(raster, { width: 1000, height: 500 }, 10);
  assert.deepEqual(view, { scale: 1, x: 180, y: 10 });
  assert.equal(g.fitted({ width: 1, height: 1 }, { width: 1000, height: 500 }).scale, g.MAX_SCALE);
  assert.ok(g.fitted(raster, { width: 0, height: 0 }, 10).scale > 0);
});

test("zooming holds the point under the cursor, within limits", () => {
  const view = g.fitted(raster, { width: 1000, height: 500 });
  const at = { x: 333, y: 211 };
  const before = g.toImage(view, at);
  const zoomed = g.zoomedAt(view, 3, at, view.scale);
  const after = g.toImage(zoomed, at);
  assert.ok(Math.abs(before.x - after.x) < 1e-9 && Math.abs(before.y - after.y) < 1e-9);
  assert.equal(g.zoomedAt(view, 1e9, at, view.scale).scale, g.MAX_SCALE);
  assert.equal(g.zoomedAt(view, 1e-9, at, view.scale).scale, view.scale);
});

test("an image cannot be dragged out of sight", () => {
  const frame = { width: 800, height: 600 };
  assert.deepEqual(g.kept({ scale: 1, x: -9999, y: 9999 }, raster, frame), { scale: 1, x: -600, y: 560 });
});

test("screen and image coordinates are each other's inverse", () => {
  const view = { scale: 2.5, x: 17, y: -40 };
  const shown = g.toScreen(view, box(10, 20, 30, 40));
  assert.deepEqual(shown, { left: 42, top: 10, width: 75, height: 100 });
  assert.deepEqual(g.toImage(view, { x: shown.left, y: shown.top }), { x: 10, y: 20 });
});

test("a point outside is moved to the edge", () => {
  assert.deepEqual(g.inside({ x: -4, y: 999 }, raster), { x: 0, y: 480 });
});
