// What a worker has drawn so far: boxes, what is selected, undo and redo, and the answer.
// No DOM in here; every change makes new arrays, so that history is a list of references.

import { rounded } from "./geometry.js";

const HISTORY_LIMIT = 500;

const answered = ({ label, left, top, width, height }) => ({ label, left, top, width, height });

const same = (a, b) => JSON.stringify(a.map(answered)) === JSON.stringify(b.map(answered));

export class Drawing {
  #past = [];
  #future = [];
  #merge = null;
  #state;

  /**
   * raster: {width, height}; labels: names; given: boxes to start from (adjust and verify jobs).
   * Given boxes carry `given: true` until they are touched.
   */
  constructor({ raster, labels, given = [] }) {
    this.raster = raster;
    this.labels = labels;
    this.initial = given.map((box) => ({ ...rounded(box, raster), given: true }));
    this.#state = { boxes: this.initial, nothing: false };
    this.label = labels[0];
    this.selected = -1;
  }

  get boxes() {
    return this.#state.boxes;
  }

  /** Whether the worker said that there is nothing to label. */
  get nothing() {
    return this.#state.nothing;
  }

  get canUndo() {
    return this.#past.length > 0;
  }

  get canRedo() {
    return this.#future.length > 0;
  }

  #change(next, merge = null) {
    // Steps of one kind on one box in a row (a held arrow key) are one step to undo.
    if (merge === null || merge !== this.#merge) {
      this.#past.push(this.#state);
      if (this.#past.length > HISTORY_LIMIT) this.#past.shift();
    }
    this.#merge = merge;
    this.#future = [];
    this.#state = { ...this.#state, ...next };
    if (this.selected >= this.boxes.length) this.selected = -1;
  }

  /** Add a box under the label in use. It is not selected: the next key chooses a label. */
  add(box) {
    const added = { ...answered({ ...box, label: this.label }) };
    this.#change({ boxes: [...this.boxes, added], nothing: false });
    this.selected = -1;
  }

  /** Put a moved or resized box in the place of an old one. */
  replace(index, box, merge = null) {
    const before = this.boxes[index];
    if (before === undefined || same([before], [box])) return;
    const boxes = this.boxes.with
      ? this.boxes.with(index, answered(box))
      : this.boxes.map((old, at) => (at === index ? answered(box) : old));
    this.#change({ boxes }, merge && `${merge}:${index}`);
  }

  remove(index) {
    if (this.boxes[index] === undefined) return;
    this.#change({ boxes: this.boxes.filter((_, at) => at !== index) });
    this.selected = -1;
  }

  /** Put a box where the keyboard can take it on, and select it. */
  place(box) {
    const added = answered({ ...box, label: this.label });
    this.#change({ boxes: [...this.boxes, added], nothing: false });
    this.selected = this.boxes.length - 1;
  }

  /** Add boxes of another image, as far as they have a place and a label here; tells how many. */
  paste(boxes) {
    const { width, height } = this.raster;
    const fit = boxes
      .filter((box) => this.labels.includes(box.label) && box.left < width && box.top < height)
      .map((box) => answered(rounded(box, this.raster)));
    if (fit.length > 0) this.#change({ boxes: [...this.boxes, ...fit], nothing: false });
    return fit.length;
  }

  /** Copy the selected (or the last) box beside itself and select the copy. */
  duplicate(shift) {
    const source = this.boxes[this.selected] ?? this.boxes.at(-1);
    if (source === undefined) return;
    this.#change({ boxes: [...this.boxes, shift(answered(source))], nothing: false });
    this.selected = this.boxes.length - 1;
  }

  /** Choose the label of the selected box; without one, of the boxes to come. */
  choose(label) {
    if (!this.labels.includes(label)) return;
    this.label = label;
    const box = this.boxes[this.selected];
    if (box !== undefined) this.replace(this.selected, { ...box, label });
  }

  select(index) {
    this.selected = this.boxes[index] === undefined ? -1 : index;
    this.#merge = null;
  }

  /** Select the next box (or the one before); behind the last comes none. */
  cycle(step) {
    const places = this.boxes.length + 1;
    this.select(((this.selected + 1 + step + places) % places) - 1);
    return this.selected !== -1;
  }

  /** Say, or take back, that there is nothing to label; only where nothing is drawn. */
  toggleNothing() {
    if (this.boxes.length > 0) return false;
    this.#change({ nothing: !this.nothing });
    return true;
  }

  undo() {
    this.#step(this.#past, this.#future);
  }

  redo() {
    this.#step(this.#future, this.#past);
  }

  #step(from, to) {
    const state = from.pop();
    if (state === undefined) return;
    to.push(this.#state);
    this.#state = state;
    this.#merge = null;
    this.selected = -1;
  }

  /** What a reload needs; `restore` takes it back if it fits. */
  draft() {
    return { boxes: this.boxes, nothing: this.nothing };
  }

  restore(draft) {
    if (!Array.isArray(draft?.boxes)) return;
    const fits = draft.boxes.every(
      (box) =>
        [box.left, box.top, box.width, box.height].every(Number.isInteger) &&
        typeof box.label === "string",
    );
    const found = { boxes: draft.boxes, nothing: draft.nothing === true };
    if (fits && JSON.stringify(found) !== JSON.stringify(this.draft())) this.#change(found);
  }

  /** Whether Enter may submit. In an adjust job, no box left is an answer of its own. */
  get complete() {
    return this.boxes.length > 0 || this.nothing || this.initial.length > 0;
  }

  /** What a crowd-bounding-box answers, in Ground Truth's form. */
  answer({ adjusting = false } = {}) {
    const content = {
      boundingBoxes: this.boxes.map(answered),
      inputImageProperties: { width: this.raster.width, height: this.raster.height },
    };
    if (adjusting) content.initialValueModified = !same(this.boxes, this.initial);
    return content;
  }
}

/** What a crowd-image-classifier answers. */
export function verdict(category, comment = "") {
  const text = comment.trim();
  return text ? { label: category, workerComment: text } : { label: category };
}
