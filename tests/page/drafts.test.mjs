import assert from "node:assert/strict";
import { test } from "node:test";

import { Drafts, forget } from "../../gt_workflow/service/portal/static/drafts.js";

class Storage {
  #kept = new Map();

  get length() {
    return this.#kept.size;
  }

  key = (index) => [...this.#kept.keys()][index];
  getItem = (name) => this.#kept.get(name) ?? null;
  setItem = (name, value) => this.#kept.set(name, value);
  removeItem = (name) => this.#kept.delete(name);
}

test("a draft is kept until it is dropped", () => {
  const storage = new Storage();
  new Drafts(storage).keep("t1", [{ boxes: [] }]);
  const drafts = new Drafts(storage);
  assert.deepEqual(drafts.get("t1"), [{ boxes: [] }]);
  assert.equal(drafts.get("t2"), null);
  drafts.drop("t1");
  assert.equal(drafts.get("t1"), null);
});

test("old and broken drafts go, and nothing else", () => {
  const storage = new Storage();
  const drafts = new Drafts(storage);
  drafts.keep("old", []);
  storage.setItem("draft:broken", "{");
  storage.setItem("choice", "yes");
  assert.notEqual(new Drafts(storage).get("old"), null);
  assert.equal(storage.getItem("draft:broken"), null);
  assert.equal(new Drafts(storage, Date.now() + 8 * 24 * 3600 * 1000).get("old"), null);
  assert.equal(storage.getItem("choice"), "yes");
});

test("signing out forgets all drafts; a full storage does no harm", () => {
  const storage = new Storage();
  const drafts = new Drafts(storage);
  drafts.keep("a", 1);
  drafts.keep("b", 2);
  forget(storage);
  assert.equal(storage.length, 0);
  storage.setItem = () => {
    throw new Error("full");
  };
  drafts.keep("a", 1);
});
