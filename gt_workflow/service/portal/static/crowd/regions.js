// The parts of a template that stand inside an element for images: instructions and comment. They
// stay where they are in the document, so that a template's own styles go on to hold for them.

import { h } from "../dom.js";

class Region extends HTMLElement {
  static slotName = "";

  connectedCallback() {
    if (this.parentElement?.showsRegions) this.slot = this.constructor.slotName;
  }

  get heading() {
    return this.getAttribute("header") ?? "";
  }

  /** What it says, to tell two regions of the same words apart from two that differ. */
  get words() {
    return this.textContent.replace(/\s+/gu, " ").trim();
  }
}

export class FullInstructions extends Region {
  static slotName = "full";
}

export class ShortInstructions extends Region {
  static slotName = "short";
}

export class WorkerComment extends Region {
  static slotName = "comment";

  #field = null;

  connectedCallback() {
    super.connectedCallback();
    if (this.#field !== null) return;
    const heading = this.heading || "Comment";
    this.#field = h("textarea", {
      rows: "3", maxlength: "1000", "aria-label": heading,
      placeholder: this.getAttribute("placeholder") ?? "Optional",
    });
    this.attachShadow({ mode: "open" }).append(
      h("link", { rel: "stylesheet", href: new URL("./work.css", import.meta.url).href }),
      h("label", { class: "comment" }, h("span", {}, heading), this.#field));
  }

  get value() {
    return this.#field?.value ?? "";
  }

  set value(text) {
    if (this.#field !== null) this.#field.value = String(text ?? "");
  }
}
