// What crowd-bounding-box and crowd-image-classifier have in common: the instructions on the left,
// the image in the middle, what to choose on the right; keys; and what is wrong with a template.

import { button, h, key } from "../dom.js";
import { Editor } from "./editor.js";
import { LiteralError, read } from "./literal.js";
import { Drawing } from "./model.js";
import { listen, started, task, tell } from "./page.js";

const KEYS = "1234567890";
const STYLE = new URL("./work.css", import.meta.url).href;
const COMMON_KEYS = {
  Look: [
    ["wheel, +, −", "zoom at the cursor"],
    ["F", "fit the image again"],
    ["Space+drag", "move the image, as the middle button or two fingers do"],
    ["I", "show or hide the instructions"],
  ],
  "Go on": [
    ["Enter", "submit; in a comment, Ctrl+Enter"],
    ["X", "decline the image, and say why"],
    ["?", "these keys"],
  ],
};

/** "Ctrl+Z, Ctrl+Shift+Z" as keys; words for the mouse stay words. */
const asKeys = (text) => /^(drag|click|arrows)$/.test(text) ? text
  : text.split(", ").map((one) => key(one));

/** In the order in which two columns are about equally long. */
function keyGroups(own) {
  const [first, ...others] = Object.entries(own);
  const [look, goOn] = Object.entries(COMMON_KEYS);
  return [first, look, ...others, goOn];
}

let instructionsShut = false;
listen("start", ({ shut }) => (instructionsShut = shut === true));

/** Whether an attribute's address is that of the task's own image. */
function isTaskImage(source) {
  return task.image !== undefined && new URL(source, document.baseURI).href ===
    new URL(task.image, document.baseURI).href;
}

export class ImageWork extends HTMLElement {
  showsRegions = true;
  drawing = null;
  editor = null;
  labels = [];
  #root = this.attachShadow({ mode: "open" });
  #parts = {};
  #pending = null;
  #queued = false;
  #round = 0;
  #styled = null;
  #ready = Promise.resolve();
  #keys = (event) => this.#keyDown(event);
  #keysUp = (event) => {
    if (event.key === " " && this.editor) this.editor.panning = false;
  };

  connectedCallback() {
    document.addEventListener("keydown", this.#keys);
    document.addEventListener("keyup", this.#keysUp);
    this.#plan();
  }

  disconnectedCallback() {
    document.removeEventListener("keydown", this.#keys);
    document.removeEventListener("keyup", this.#keysUp);
    this.editor?.close();
  }

  attributeChangedCallback() {
    if (this.isConnected) this.#plan();
  }

  /** Once for all that a template's script changes at a time. */
  #plan() {
    if (this.#queued) return;
    this.#queued = true;
    queueMicrotask(() => {
      this.#queued = false;
      if (!this.isConnected) return;
      const round = (this.#round += 1);
      this.#ready = this.#build(round).catch((error) => {
        if (round === this.#round) this.#broken(error);
      });
    });
  }

  get form() {
    return this.closest("crowd-form");
  }

  get loaded() {
    return this.editor !== null;
  }

  get #idle() {
    return this.loaded && !this.form?.busy;
  }

  /** The value of an attribute, a JavaScript literal; undefined if it is absent or empty. */
  literal(name) {
    const text = this.getAttribute(name);
    if (text === null || text.trim() === "") return undefined;
    try {
      return read(text);
    } catch (error) {
      if (!(error instanceof LiteralError)) throw error;
      throw new TypeError(`${name} cannot be read: ${error.message}`);
    }
  }

  async #build(round) {
    const told = this.configure();
    this.#lay(told);
    this.refresh();
    await this.#styled;
    const source = this.getAttribute("src") ?? "";
    if (source.trim() === "") throw new TypeError("src is missing: the address of the image");
    const image = h("img", { class: "photograph", alt: "", draggable: "false", src: source });
    try {
      await image.decode();
    } catch {
      throw new TypeError("the image cannot be shown");
    }
    // Who sees the image may draw at once: what was drawn before has to be there by then.
    if (this.form) await started;
    if (round !== this.#round) return;
    const raster = this.#raster(image, source);
    const given = told.given ?? [];
    this.drawing = new Drawing({ raster, labels: told.labels, given });
    this.editor?.close();
    this.editor = new Editor({
      drawing: this.drawing,
      image,
      labels: told.labels,
      fixed: told.fixed,
      changed: () => this.changed(),
    });
    this.#parts.place.replaceChildren(this.editor.element);
    this.#parts.view.replaceChildren(this.editor.zooms);
    if (this.#pending !== null) this.restore(this.#pending);
    this.editor.fit();
    this.refresh();
    if (document.hasFocus() && [null, document.body, this].includes(document.activeElement)) this.focus();
  }

  // The raster that counts is the stored one, whose size the service read from the file; on
  // another one boxes would be wrong. Browsers tell the natural size of a file that asks to be
  // turned as if it were, although `image-orientation: none` shows it as it is stored.
  #raster(image, source) {
    const natural = { width: image.naturalWidth, height: image.naturalHeight };
    if (!isTaskImage(source)) return natural;
    const { width, height } = task;
    const plain = natural.width === width && natural.height === height;
    const turned = natural.width === height && natural.height === width;
    if (plain || turned) return { width, height };
    throw new TypeError(`the image should have ${width} × ${height} pixels, but has ` +
      `${natural.width} × ${natural.height}`);
  }

  #lay(told) {
    const full = this.querySelector(":scope > full-instructions");
    const short = this.querySelector(":scope > short-instructions");
    const both = full !== null && short !== null && full.words !== short.words;
    for (const region of [full, short]) if (region) region.slot = region.constructor.slotName;
    const instructions = h("aside", { class: "side instructions", "aria-label": "Instructions" },
      h("h2", {}, (both ? short.heading : full?.heading || short?.heading) || "Instructions"),
      h("slot", { name: short === null ? "full" : "short" }),
      both ? button({ onclick: () => this.#parts.full.showModal() }, "More …") : null);
    const fullDialog = h("dialog", { class: "full" },
      h("h2", {}, full?.heading || "Instructions"), both ? h("slot", { name: "full" }) : null,
      h("form", { method: "dialog" }, h("button", { class: "primary" }, "Close")));
    const help = h("dialog", { class: "help" },
      h("h2", {}, "Keys and mouse"),
      h("div", { class: "key-groups" },
        keyGroups(told.keys).map(([name, keys]) => h("section", {},
          h("h3", {}, name),
          h("dl", {}, keys.map(([what, does]) => [h("dt", {}, asKeys(what)), h("dd", {}, does)]))))),
      h("form", { method: "dialog" }, h("button", { class: "primary" }, "Close")));
    const header = this.getAttribute("header")?.trim();
    const hasInstructions = full !== null || short !== null;
    this.#parts = {
      instructions,
      help,
      full: fullDialog,
      place: h("div", { class: "place" }, h("p", { class: "wait" }, "Loading the image …")),
      choices: told.names.map((name, index) =>
        button({ class: `choice-button ${told.swatch?.(name) ?? ""}`, title: name,
          onclick: () => this.#choose(name) },
        told.swatch ? h("span", { class: "swatch" }) : null,
        h("span", { class: "name" }, name),
        index < KEYS.length ? key(KEYS[index]) : null)),
      view: h("div"),
      status: h("p", { class: "status", role: "status", "aria-live": "polite", hidden: true }),
      submit: button({ class: "primary wide", onclick: () => this.#submit() }, "Submit", key("Enter")),
      toggle: button({ onclick: () => this.#toggleInstructions(), disabled: !hasInstructions,
        title: "Show or hide the instructions" }, "Instructions", key("I")),
    };
    this.names = told.names;
    const link = h("link", { rel: "stylesheet", href: STYLE });
    this.#styled ??= new Promise((done) => {
      link.addEventListener("load", done);
      link.addEventListener("error", done);
    });
    this.#root.replaceChildren(
      this.#root.querySelector("link") ?? link,
      h("div", { class: "work" },
        instructions,
        this.#parts.place,
        h("section", { class: "side panel", "aria-label": "Labels and tools" },
          header ? h("p", { class: "header" }, header) : null,
          h("h2", {}, told.title),
          h("div", { class: "choices" }, this.#parts.choices),
          told.tools,
          h("span", { class: "space" }),
          this.#parts.view,
          this.#parts.status,
          this.#parts.submit,
          h("div", { class: "row" }, this.#parts.toggle,
            button({ onclick: () => help.showModal(), title: "Keys and mouse" }, "Keys", key("?"))))),
      fullDialog,
      help,
    );
    this.#showInstructions();
  }

  #showInstructions() {
    const { instructions, toggle } = this.#parts;
    instructions.hidden = instructionsShut || toggle.disabled;
    toggle.setAttribute("aria-pressed", String(!instructions.hidden));
  }

  #toggleInstructions() {
    instructionsShut = !instructionsShut;
    tell("shut", { shut: instructionsShut });
    this.#showInstructions();
  }

  #broken(error) {
    this.editor?.close();
    this.editor = null;
    this.#root.replaceChildren(
      this.#root.querySelector("link") ?? h("link", { rel: "stylesheet", href: STYLE }),
      h("section", { class: "broken", role: "alert" },
        h("h2", {}, "This task cannot be shown"),
        h("p", {}, `<${this.localName}>: ${error.message}.`),
        h("p", { class: "quiet" }, "Decline it and say so, or return it; both can be done above.")));
    if (!(error instanceof TypeError)) console.error(error);
  }

  /** Say something above the button to submit; "" takes it back. */
  say(message, { problem = false } = {}) {
    const { status } = this.#parts;
    if (!status) return;
    status.textContent = message;
    status.hidden = message === "";
    status.classList.toggle("problem", problem);
  }

  focus() {
    this.editor?.element.focus({ preventScroll: true });
  }

  /** Resolves when the image and what is on it are drawn, or known not to be. */
  async painted() {
    await this.#ready;
    this.editor?.paint();
  }

  /** After a change of the worker's: show it, and have the draft kept. */
  changed() {
    this.refresh();
    this.dispatchEvent(new CustomEvent("gt-change", { bubbles: true }));
  }

  refresh() {
    const { choices, submit } = this.#parts;
    if (!choices) return;
    choices.forEach((choice, index) =>
      choice.setAttribute("aria-pressed", String(this.names[index] === this.chosen)));
    submit.disabled = !this.#idle || this.problem() !== "";
    this.editor?.draw();
  }

  /** What stands against submitting; "" for nothing. */
  problem() {
    return this.loaded ? "" : "The image is not on the screen yet.";
  }

  /** Do something to what is drawn, unless an answer is on its way. */
  edit(change) {
    if (!this.#idle) return;
    this.say("");
    change();
    this.changed();
  }

  #choose(name) {
    this.edit(() => this.choose(name));
  }

  #submit() {
    if (this.form) this.form.submit();
    else this.say("The template has no <crowd-form> around this.", { problem: true });
  }

  draft() {
    return this.loaded ? this.drawing.draft() : this.#pending;
  }

  restore(draft) {
    if (!this.loaded) {
      this.#pending = draft;
      return;
    }
    this.#pending = null;
    this.restored(draft);
    this.refresh();
  }

  /** Whether keys are for this element: it has the focus, or is the first and nothing has. */
  #hears(event, at) {
    if (event.composedPath().includes(this)) return true;
    const first = document.querySelector("crowd-bounding-box, crowd-image-classifier");
    return first === this && (at === document.body || at === document.documentElement);
  }

  #keyDown(event) {
    const at = event.composedPath()[0];
    if (event.defaultPrevented || !this.loaded || !(at instanceof Element)) return;
    if (!this.#hears(event, at)) return;
    if (this.#parts.help.open || this.#parts.full.open) return;
    if (at.matches("input, textarea, select, [contenteditable]")) {
      if (event.key === "Escape") this.focus();
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.#submit();
      return;
    }
    if (at.matches("button, a, summary") && [" ", "Enter"].includes(event.key)) return;
    const command = event.ctrlKey || event.metaKey;
    if (this.keyed(event, command, at)) {
      event.preventDefault();
      return;
    }
    if (command || event.altKey) return;
    const place = KEYS.indexOf(event.key);
    const plain = {
      Enter: () => event.repeat || this.#submit(),
      "?": () => this.#parts.help.showModal(),
      i: () => this.#parts.toggle.disabled || this.#toggleInstructions(),
      x: () => tell("decline"),
      f: () => this.editor.fit(),
      "+": () => this.editor.zoom(1.25),
      "=": () => this.editor.zoom(1.25),
      "-": () => this.editor.zoom(0.8),
      " ": () => (this.editor.panning = true),
    };
    const act = place >= 0 && this.names[place] !== undefined
      ? () => this.#choose(this.names[place])
      : plain[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (act === undefined) return;
    act();
    event.preventDefault();
  }
}
