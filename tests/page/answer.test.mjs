import assert from "node:assert/strict";
import { test } from "node:test";

import { boxes, collected, names } from "../../gt_workflow/service/portal/static/crowd/answer.js";

test("fields are put together under their names", () => {
  const value = { boundingBoxes: [], inputImageProperties: { width: 1, height: 2 } };
  assert.deepEqual(
    collected([{ name: "boundingBox", value }, { name: "note", value: "dark" }, { name: "", value: 1 }]),
    { boundingBox: value, note: "dark" },
  );
});

test("check boxes of one name share one object, as Ground Truth writes them", () => {
  assert.deepEqual(
    collected([
      { name: "is", option: "blurry", checked: true },
      { name: "is", option: "dark", checked: false },
      { name: "sure", option: "on", checked: true },
    ]),
    { is: { blurry: true, dark: false }, sure: { on: true } },
  );
});

test("a name is only a name, and there are only so many", () => {
  const answer = collected([{ name: "__proto__", value: "x" }]);
  assert.deepEqual(Object.keys(answer), ["__proto__"]);
  const many = Array.from({ length: 51 }, (_, index) => ({ name: `n${index}`, value: "" }));
  assert.throws(() => collected(many), RangeError);
});

test("labels are a list of names, each once", () => {
  assert.deepEqual(names(["cat", "dog", "cat"], "labels"), ["cat", "dog"]);
  for (const wrong of [undefined, null, "cat", {}, [], [1], [""], [["cat"]], Array(51).fill("x")]) {
    assert.throws(() => names(wrong, "labels"), /^TypeError: labels/);
  }
});

test("boxes need numbers; texts that spell them will do", () => {
  assert.deepEqual(boxes(undefined, "initial-value"), []);
  assert.deepEqual(boxes([{ label: "cat", left: "1", top: 2.5, width: 3, height: 4, extra: 5 }], "x"), [
    { label: "cat", left: 1, top: 2.5, width: 3, height: 4 },
  ]);
  const wrong = [{}, "x", [null], [{ left: 1, top: 1, width: 1 }], [{ left: "a", top: 1, width: 1, height: 1 }]];
  for (const one of wrong) assert.throws(() => boxes(one, "initial-value"), /^TypeError: initial-value/);
});
