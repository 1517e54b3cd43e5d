// crowd-form: gathers what its elements say, hands it to the page, and keeps the draft there.

import { collected } from "./answer.js";
import { listen, tell } from "./page.js";

const SUBMITS = 'crowd-button[form-action="submit"], button:not([type]), button[type="submit"], ' +
  'input[type="submit"], input[type="image"]';
const NO_VALUE = new Set(["submit", "button", "reset", "image", "file", "password"]);

/** One entry of the answer from a native control; null if it says nothing. */
function native(control) {
  const { name, type } = control;
  if (!name || control.disabled || NO_VALUE.has(type)) return null;
  if (type === "checkbox" || type === "radio") {
    return { name, option: control.value, checked: control.checked };
  }
  return { name, value: control.value };
}

export class CrowdForm extends HTMLElement {
  #known = false;
  #busy = false;
  #queued = false;

  connectedCallback() {
    if (this.#known) return;
    this.#known = true;
    this.addEventListener("click", (event) => {
      if (!event.target.closest?.(SUBMITS)) return;
      event.preventDefault();
      this.submit();
    });
    // A plain form inside would take the frame elsewhere.
    this.addEventListener("submit", (event) => {
      if (event.target === this) return;
      event.preventDefault();
      event.stopPropagation();
      this.submit();
    });
    for (const type of ["input", "change", "gt-change"]) this.addEventListener(type, () => this.#keep());
    listen("start", ({ draft }) => this.#restore(draft));
    listen("refused", ({ message }) => {
      this.#busy = false;
      this.say(message, { problem: true });
    });
    listen("shown", (told) => this.#shown(told));
    queueMicrotask(() => {
      if (!this.#works.length && !this.querySelector(SUBMITS)) {
        const button = document.createElement("crowd-button");
        button.setAttribute("form-action", "submit");
        button.setAttribute("variant", "primary");
        button.textContent = "Submit";
        this.append(button);
      }
      tell("ready");
    });
  }

  /** The elements that show an image; they have a line for what is said to the worker. */
  get #works() {
    return [...this.querySelectorAll("*")].filter((element) => element.showsRegions);
  }

  get #fields() {
    return [...this.querySelectorAll("*")].filter(
      (element) => element.field !== undefined || element.matches("input, select, textarea"));
  }

  get busy() {
    return this.#busy;
  }

  /** Say something where the worker looks. */
  say(message, { problem = false } = {}) {
    const [first] = this.#works;
    if (first) first.say(message, { problem });
    else tell("say", { message, problem });
    for (const work of this.#works) work.refresh();
  }

  /** Submit as a press on the button does: checks, the template's own listeners, the answer. */
  submit() {
    if (this.#busy) return;
    const begun = performance.timeOrigin + performance.now();
    for (const field of this.#fields) {
      const problem = field.problem?.() ?? "";
      if (problem) {
        this.say(problem);
        return;
      }
      if (field.reportValidity?.() === false) return;
    }
    if (!this.dispatchEvent(new Event("submit", { bubbles: true, cancelable: true }))) return;
    let answer;
    try {
      answer = collected(this.#fields.map((field) => field.field ?? native(field)).filter(Boolean));
    } catch (error) {
      this.say(error.message, { problem: true });
      return;
    }
    this.#busy = true;
    this.say("");
    tell("submit", { answer, begun });
  }

  #keep() {
    if (this.#queued || this.#busy) return;
    this.#queued = true;
    queueMicrotask(() => {
      this.#queued = false;
      tell("draft", { draft: this.#fields.map((field) => this.#draftOf(field)) });
    });
  }

  #draftOf(field) {
    if (field.draft) return field.draft();
    return { value: field.type === "file" ? "" : field.value, checked: field.checked === true };
  }

  #restore(draft) {
    const fields = this.#fields;
    if (!Array.isArray(draft) || draft.length !== fields.length) return;
    fields.forEach((field, index) => {
      const kept = draft[index];
      if (kept === null || typeof kept !== "object") return;
      if (field.restore) field.restore(kept);
      else if (field.type !== "file") {
        field.value = kept.value ?? "";
        field.checked = kept.checked === true;
      }
    });
  }

  /** The frame has come to the front; tell when its image is on the screen. */
  async #shown({ since, label, previous }) {
    const works = this.#works;
    await Promise.all(works.map((work) => work.painted()));
    for (const work of works) work.begin?.({ label, previous });
    works[0]?.focus();
    // The second frame begins when the first one is drawn.
    requestAnimationFrame(() => requestAnimationFrame(() =>
      tell("drawn", { since, at: performance.timeOrigin + performance.now() })));
  }
}
