import assert from "node:assert/strict";
import { test } from "node:test";

import { Drawing, verdict } from "../../gt_workflow/service/portal/static/crowd/model.js";
import { duration } from "../../gt_workflow/service/portal/static/time.js";

const raster = { width: 640, height: 480 };
const box = (left, label) => ({ left, top: 10, width: 20, height: 30, ...(label && { label }) });
const fresh = (more = {}) => new Drawing({ raster, labels: ["cat", "dog"], ...more });

test("a drawn box takes the label in use and is not selected", () => {
  const drawing = fresh();
  drawing.add(box(5));
  drawing.choose("dog");
  drawing.add(box(50));
  assert.deepEqual(drawing.boxes, [box(5, "cat"), box(50, "dog")].map(({ label, ...b }) => ({ label, ...b })));
  assert.equal(drawing.selected, -1);
});

test("choosing a label changes the selected box and nothing else", () => {
  const drawing = fresh();
  drawing.add(box(5));
  drawing.add(box(50));
  drawing.select(0);
  drawing.choose("dog");
  assert.deepEqual(drawing.boxes.map(({ label }) => label), ["dog", "cat"]);
  drawing.choose("unheard of");
  assert.equal(drawing.label, "dog");
});

test("undo and redo walk through every step", () => {
  const drawing = fresh();
  const seen = [drawing.boxes];
  const note = () => seen.push(drawing.boxes);
  drawing.add(box(5)); note();
  drawing.replace(0, { ...drawing.boxes[0], left: 9 }); note();
  drawing.select(0); drawing.choose("dog"); note();
  drawing.remove(0); note();
  for (const expected of seen.slice(0, -1).reverse()) {
    drawing.undo();
    assert.deepEqual(drawing.boxes, expected);
  }
  assert.equal(drawing.canUndo, false);
  drawing.undo();
  for (const expected of seen.slice(1)) {
    drawing.redo();
    assert.deepEqual(drawing.boxes, expected);
  }
  assert.equal(drawing.canRedo, false);
});

test("a new step forgets what was undone", () => {
  const drawing = fresh();
  drawing.add(box(5));
  drawing.undo();
  drawing.add(box(50));
  assert.equal(drawing.canRedo, false);
});

test("a held arrow key is one step", () => {
  const drawing = fresh();
  drawing.add(box(5));
  for (let left = 6; left < 30; left += 1) drawing.replace(0, { ...drawing.boxes[0], left }, "nudge");
  drawing.undo();
  assert.equal(drawing.boxes[0].left, 5);
});

test("a step that changes nothing is no step", () => {
  const drawing = fresh();
  drawing.add(box(5));
  drawing.replace(0, drawing.boxes[0]);
  drawing.remove(7);
  drawing.undo();
  assert.equal(drawing.canUndo, false);
});

test("Tab visits every box and then none", () => {
  const drawing = fresh();
  drawing.add(box(5));
  drawing.add(box(50));
  assert.deepEqual([1, 1, 1, 1].map((step) => (drawing.cycle(step), drawing.selected)), [0, 1, -1, 0]);
  assert.deepEqual([-1, -1].map((step) => (drawing.cycle(step), drawing.selected)), [-1, 1]);
});

test("a duplicate is selected and moved aside", () => {
  const drawing = fresh();
  drawing.duplicate((b) => b);
  assert.equal(drawing.boxes.length, 0);
  drawing.add(box(5));
  drawing.duplicate((b) => ({ ...b, left: b.left + 8 }));
  assert.deepEqual(drawing.boxes.map(({ left }) => left), [5, 13]);
  assert.equal(drawing.selected, 1);
});

test("nothing to label can be said only where nothing is drawn", () => {
  const drawing = fresh();
  assert.equal(drawing.complete, false);
  assert.equal(drawing.toggleNothing(), true);
  assert.equal(drawing.complete, true);
  drawing.add(box(5));
  assert.equal(drawing.nothing, false);
  assert.equal(drawing.toggleNothing(), false);
});

test("a box for the keyboard comes selected, under the label in use", () => {
  const drawing = fresh();
  drawing.choose("dog");
  drawing.place(box(5));
  assert.equal(drawing.selected, 0);
  assert.equal(drawing.boxes[0].label, "dog");
  drawing.undo();
  assert.deepEqual(drawing.boxes, []);
});

test("boxes of another image come over where they have a place and a label", () => {
  const drawing = fresh();
  const there = [
    { label: "dog", ...box(5) }, { label: "bird", ...box(5) }, { label: "cat", ...box(630) },
    { label: "cat", ...box(640) },
  ];
  assert.equal(drawing.paste(there), 2);
  assert.deepEqual(drawing.boxes, [
    { label: "dog", ...box(5) }, { label: "cat", ...box(630), width: 10 },
  ]);
  drawing.undo();
  assert.equal(drawing.boxes.length, 0);
  assert.equal(drawing.paste([]), 0);
  assert.equal(drawing.canUndo, false);
});

test("the answer has Ground Truth's form", () => {
  const drawing = fresh();
  drawing.add(box(5));
  assert.deepEqual(drawing.answer(), {
    boundingBoxes: [{ label: "cat", left: 5, top: 10, width: 20, height: 30 }],
    inputImageProperties: { width: 640, height: 480 },
  });
});

test("an adjust job starts from given boxes and says whether they were changed", () => {
  const given = [{ label: "cat", left: 5.4, top: 10.2, width: 20.1, height: 30.3 }];
  const drawing = fresh({ given });
  assert.equal(drawing.boxes[0].given, true);
  assert.deepEqual(drawing.answer({ adjusting: true }).initialValueModified, false);
  assert.deepEqual(drawing.answer({ adjusting: true }).boundingBoxes, [
    { label: "cat", left: 5, top: 10, width: 21, height: 31 },
  ]);
  drawing.replace(0, { ...drawing.boxes[0], left: 6 });
  assert.equal(drawing.boxes[0].given, undefined);
  assert.equal(drawing.answer({ adjusting: true }).initialValueModified, true);
  drawing.undo();
  assert.equal(drawing.answer({ adjusting: true }).initialValueModified, false);
});

test("a draft comes back after a reload; what is no draft is ignored", () => {
  const drawing = fresh();
  drawing.add(box(5));
  const later = fresh();
  later.restore(JSON.parse(JSON.stringify(drawing.draft())));
  assert.deepEqual(later.boxes, drawing.boxes);
  for (const bad of [null, 3, {}, { boxes: [{ left: "x" }] }]) later.restore(bad);
  assert.deepEqual(later.boxes, drawing.boxes);
});

test("a verdict carries a comment only if there is one", () => {
  assert.deepEqual(verdict("good", "  "), { label: "good" });
  assert.deepEqual(verdict("bad", " too wide "), { label: "bad", workerComment: "too wide" });
});

test("a duration reads as people say it", () => {
  assert.deepEqual([-3, 7.9, 750, 11_100].map(duration), ["0:00", "0:07", "12:30", "3 h 05"]);
});
