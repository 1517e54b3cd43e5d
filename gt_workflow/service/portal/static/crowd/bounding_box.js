// crowd-bounding-box: the worker draws boxes, or corrects those of `initial-value`.

import { button, colour, h, key } from "../dom.js";
import { boxes, names } from "./answer.js";
import { HANDLES, moved, stretched } from "./geometry.js";
import { ImageWork } from "./image_work.js";
import { tell } from "./page.js";

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const CORNERS = HANDLES.filter((handle) => handle.length === 2);
const HELP = {
  Draw: [
    ["1 … 9, 0", "choose the label, also of a selected box"],
    ["drag", "draw a box; with Shift even on a selected one"],
    ["B", "put a box in the middle, to be moved by keys"],
    ["D", "duplicate the selected or last box"],
    ["P", "bring the boxes of the image before"],
    ["N", "nothing to label in this image"],
  ],
  Change: [
    ["Tab, Shift+Tab", "select the next box, the one before"],
    ["click", "select a box; again: the one beneath"],
    ["arrows", "move it by 1 pixel, with Shift by 10"],
    ["Ctrl+arrows", "resize it at the marked corner"],
    ["C", "mark the next corner"],
    ["Delete", "delete it"],
    ["Ctrl+Z, Ctrl+Shift+Z", "undo, redo"],
    ["Esc", "stop drawing, deselect"],
  ],
};
const HINTS = {
  drawn: "Drag to draw. Click a box to change it.",
  selected: "Arrows move, Ctrl+arrows resize, Delete removes.",
};

export class CrowdBoundingBox extends ImageWork {
  static observedAttributes = ["src", "labels", "initial-value", "header"];

  #adjusting = false;
  #previous = []; // boxes of the image before
  #buttons = {};

  configure() {
    const labels = names(this.literal("labels"), "labels");
    this.#adjusting = this.hasAttribute("initial-value");
    const tool = (text, shortcut, act) => button({ onclick: act, title: shortcut }, text);
    this.#buttons = {
      undo: tool("Undo", "Ctrl+Z", () => this.edit(() => this.drawing.undo())),
      redo: tool("Redo", "Ctrl+Shift+Z", () => this.edit(() => this.drawing.redo())),
      remove: tool("Delete", "Delete", () => this.#remove()),
      nothing: button({ class: "wide", onclick: () => this.#sayNothing() },
        "Nothing to label", key("N")),
      count: h("span", { class: "count" }),
      hint: h("p", { class: "quiet hint" }),
    };
    const { undo, redo, remove, nothing, count, hint } = this.#buttons;
    return {
      title: "Label",
      names: labels,
      labels,
      given: boxes(this.literal("initial-value"), "initial-value"),
      fixed: false,
      swatch: (label) => colour(labels, label),
      keys: HELP,
      tools: h("div", { class: "tools" }, undo, redo, remove, count, nothing, hint),
    };
  }

  get chosen() {
    return this.drawing?.label;
  }

  get field() {
    if (!this.loaded) return { name: "" };
    return {
      name: this.getAttribute("name") || "boundingBox",
      value: this.drawing.answer({ adjusting: this.#adjusting }),
    };
  }

  problem() {
    const early = super.problem();
    if (early || this.drawing.complete) return early;
    return "Draw a box, or press N if there is nothing to label.";
  }

  choose(label) {
    this.drawing.choose(label);
    tell("label", { label });
  }

  /** Go on with the label of the image before, unless the worker has begun. */
  begin({ label, previous }) {
    this.#previous = boxes(previous ?? [], "previous");
    const untouched = this.loaded && !this.drawing.canUndo;
    if (untouched && this.drawing.labels.includes(label)) this.drawing.label = label;
    this.refresh();
  }

  restored(draft) {
    this.drawing.restore(draft);
  }

  refresh() {
    super.refresh();
    const { undo, redo, remove, nothing, count, hint } = this.#buttons;
    const { drawing } = this;
    if (!undo) return;
    undo.disabled = !drawing?.canUndo;
    redo.disabled = !drawing?.canRedo;
    remove.disabled = !(drawing?.selected >= 0);
    const number = drawing?.boxes.length ?? 0;
    nothing.disabled = drawing === null || number > 0;
    nothing.setAttribute("aria-pressed", String(drawing?.nothing === true));
    hint.textContent = drawing?.selected >= 0 ? HINTS.selected : HINTS.drawn;
    count.textContent = number === 1 ? "1 box" : `${number} boxes`;
  }

  #remove() {
    this.edit(() => this.drawing.remove(this.drawing.selected));
  }

  #sayNothing() {
    this.edit(() => {
      if (!this.drawing.toggleNothing()) {
        this.say("There are boxes. Delete them if there is nothing to label.");
      }
    });
  }

  #nudge(event, command) {
    const { drawing } = this;
    const box = drawing.boxes[drawing.selected];
    if (box === undefined) return;
    const [x, y] = ARROWS[event.key].map((way) => way * (event.shiftKey ? 10 : 1));
    const changed = command
      ? stretched(box, this.editor.corner, x, y, drawing.raster)
      : moved(box, x, y, drawing.raster);
    drawing.replace(drawing.selected, changed, command ? "size" : "nudge");
  }

  #mark() {
    const next = (CORNERS.indexOf(this.editor.corner) + 1) % CORNERS.length;
    this.editor.corner = CORNERS[next];
  }

  keyed(event, command, at) {
    const { drawing, editor } = this;
    const letter = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (event.key in ARROWS && !event.altKey) {
      this.edit(() => this.#nudge(event, command));
    } else if (command && letter === "z") {
      this.edit(() => (event.shiftKey ? drawing.redo() : drawing.undo()));
    } else if (command && letter === "y") {
      this.edit(() => drawing.redo());
    } else if (command || event.altKey) {
      return false;
    } else if (letter === "Tab") {
      // Behind the last box the focus moves on as everywhere.
      if (drawing.boxes.length === 0 || at.closest(".side")) return false;
      const found = drawing.cycle(event.shiftKey ? -1 : 1);
      this.refresh();
      return found;
    } else {
      const act = {
        b: () => this.edit(() => drawing.place(editor.middle())),
        c: () => this.edit(() => this.#mark()),
        d: () => this.edit(() => drawing.duplicate((box) => moved(box, 8, 8, drawing.raster))),
        n: () => this.#sayNothing(),
        p: () => this.edit(() => {
          if (!drawing.paste(this.#previous)) this.say("There are no boxes of an image before.");
        }),
        Delete: () => this.#remove(),
        Backspace: () => this.#remove(),
        Escape: () => editor.cancel() || this.edit(() => drawing.select(-1)),
      }[letter];
      if (act === undefined) return false;
      act();
    }
    return true;
  }
}
