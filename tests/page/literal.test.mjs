import assert from "node:assert/strict";
import { test } from "node:test";

import { LiteralError, read } from "../../gt_workflow/service/portal/static/crowd/literal.js";

test("JSON is read as JSON", () => {
  const value = { a: [1, -2.5, 1e3, "x\n\"ü😀", true, false, null], b: { "": [] }, "c d": {} };
  assert.deepEqual(read(JSON.stringify(value)), value);
  assert.deepEqual(read(JSON.stringify(value, null, 2)), value);
});

test("what AWS's samples write is read", () => {
  assert.deepEqual(read("['Cat', 'Dog', 'Bird']"), ["Cat", "Dog", "Bird"]);
  assert.deepEqual(read("[{ label: \"cat\", left: 1, top: 2.5, width: 3, height: 4, },]"), [
    { label: "cat", left: 1, top: 2.5, width: 3, height: 4 },
  ]);
  assert.deepEqual(read(`
    {
      boundingBox: { // the boxes of the job before
        labels: ['a',],
        value: [ /* none */ ],
      },
    }`), { boundingBox: { labels: ["a"], value: [] } });
  assert.deepEqual(read("[,{'left': 1},,{'left': 2},]"), [{ left: 1 }, { left: 2 }]);
});

test("texts know JavaScript's quotes and escapes", () => {
  const cases = [
    ["'it\\'s'", "it's"], ['"a\\"b"', 'a"b'], ["`a'b\"`", "a'b\""], ["`two\nlines`", "two\nlines"],
    ["'\\x41\\u00e9\\u{1F600}\\q'", "Aé😀q"], ["'a\\\nb'", "ab"], ["'a\\\r\nb'", "ab"],
    ["'\\t\\n\\r\\b\\f\\v\\0'", "\t\n\r\b\f\v\0"], ["'<b>&amp;'", "<b>&amp;"],
  ];
  for (const [text, value] of cases) assert.equal(read(text), value, text);
});

test("numbers know JavaScript's forms", () => {
  const cases = [
    ["0", 0], ["-0.5", -0.5], ["+7", 7], [".5", 0.5], ["5.", 5], ["1e-3", 0.001], ["0x1F", 31],
    ["0b101", 5], ["0o17", 15], ["- 3", -3], ["-Infinity", undefined],
  ];
  for (const [text, value] of cases) {
    if (value === undefined) assert.throws(() => read(text), LiteralError, text);
    else assert.equal(read(text), value, text);
  }
});

test("keys may be names, texts and numbers, and none of them is magic", () => {
  assert.deepEqual(read("{a_1: 1, $x: 2, größe: 3, 'b c': 4, 5: 6, true: 7}"), {
    a_1: 1, $x: 2, größe: 3, "b c": 4, 5: 6, true: 7,
  });
  const value = read("{__proto__: {polluted: true}, constructor: 1}");
  assert.equal(Object.getPrototypeOf(value), Object.prototype);
  assert.equal({}.polluted, undefined);
  assert.equal(value.polluted, undefined);
});

test("what is no literal is refused, with its place", () => {
  const cases = [
    "", " ", "[", "{", "]", "[1", "{a", "{a:", "{a:1", "{a 1}", "{:1}", "{,}", "{a:1,,b:2}", "[1 2]",
    "'a", '"a', "`a", "'a\nb'", "'\\u12'", "'\\xg1'", "'\\u{110000}'", "'\\u{}'", "'\\1'", "01", "1_0",
    "1a", "0x", "--1", "+", "cat", "[cat]", "alert(1)", "[alert(1)]", "(1)", "1;", "[].constructor",
    "`${1}`", "/x/", "new Date", "{get a() {}}", "{[1]: 2}", "{...a}", "() => 1", "'a' + 'b'", "/* a",
    "1 // a\n 2", "[1]]", "-'a'", "toString", "__proto__", "this", "window",
  ];
  for (const text of cases) assert.throws(() => read(text), LiteralError, JSON.stringify(text));
  assert.throws(() => read("['a', b]"), /^Error: b is no value at character 7$|b is no value at/);
});

test("too long and too deep is refused, quickly", () => {
  const start = process.cpuUsage().user;
  assert.throws(() => read(" ".repeat(1_000_001)), LiteralError);
  assert.throws(() => read("[".repeat(900_000)), /nested too deeply/);
  assert.throws(() => read("{a:".repeat(300_000)), /nested too deeply/);
  assert.throws(() => read("/*".repeat(400_000)), LiteralError);
  assert.throws(() => read("'" + "\\a".repeat(400_000)), LiteralError);
  assert.equal(read(`[${"1,".repeat(400_000)}]`).length, 400_000);
  assert.ok(process.cpuUsage().user - start < 5_000_000);
});

test("whatever is written, either a value comes or a LiteralError", () => {
  let seed = 11;
  const random = (size) => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return Math.floor((seed / 2147483648) * size);
  };
  const pieces = ["[", "]", "{", "}", ",", ":", "'", '"', "`", "\\", "a", "1", ".", "-", "e", " ",
    "\n", "//", "/*", "*/", "true", "null", "\\u", "{a:1}", "['x',]", "\ud83d", "é", "\0", "$", "_"];
  for (let round = 0; round < 20_000; round += 1) {
    let text = "";
    for (let part = random(12); part >= 0; part -= 1) text += pieces[random(pieces.length)];
    try {
      read(text);
    } catch (error) {
      assert.ok(error instanceof LiteralError, JSON.stringify(text));
    }
  }
});

test("what JSON says of random values comes back", () => {
  let seed = 5;
  const random = (size) => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return Math.floor((seed / 2147483648) * size);
  };
  const value = (depth) => {
    switch (random(depth > 4 ? 4 : 6)) {
      case 0: return random(1e6) / 7 - 1000;
      case 1: return [true, false, null][random(3)];
      case 2:
      case 3: return String.fromCharCode(...Array.from({ length: random(8) }, () => random(0xd7ff)));
      case 4: return Array.from({ length: random(5) }, () => value(depth + 1));
      default:
        return Object.fromEntries(
          Array.from({ length: random(5) }, (_, index) => [`k'${index}`, value(depth + 1)]));
    }
  };
  for (let round = 0; round < 500; round += 1) {
    const made = value(0);
    assert.deepEqual(read(JSON.stringify(made)), made);
  }
});
