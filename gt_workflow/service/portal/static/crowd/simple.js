// The other crowd-* elements: a native control each, in the answer under its name; and containers,
// which only show what is in them.

import { button, h } from "../dom.js";

const STYLE = new URL("./work.css", import.meta.url).href;
const style = () => h("link", { rel: "stylesheet", href: STYLE });

/** Attributes of an element under the names that the native one has for them. */
function taken(element, attributes) {
  const found = {};
  for (const [from, to] of Object.entries(attributes)) {
    if (element.hasAttribute(from)) found[to] = element.getAttribute(from) || true;
  }
  return found;
}

const TEXT = {
  type: "type", placeholder: "placeholder", required: "required", disabled: "disabled",
  "max-length": "maxlength", maxlength: "maxlength", "min-length": "minlength", min: "min",
  max: "max", step: "step", pattern: "pattern", rows: "rows", "max-rows": "rows", readonly: "readonly",
};

/** A text of one line (crowd-input), of several (crowd-text-area), or a number (crowd-slider). */
const text = (tag, fixed = {}) => class extends HTMLElement {
  #control = null;

  connectedCallback() {
    if (this.#control !== null) return;
    const label = this.getAttribute("label") ?? "";
    this.#control = h(tag, { ...taken(this, TEXT), ...fixed, "aria-label": label || null });
    if (tag === "input" && !this.#control.hasAttribute("type")) this.#control.type = "text";
    this.#control.value = this.getAttribute("value") ?? this.#control.value;
    this.#control.addEventListener("change", () =>
      this.dispatchEvent(new Event("change", { bubbles: true })));
    this.attachShadow({ mode: "open", delegatesFocus: true }).append(style(),
      h("label", { class: "labelled" }, h("span", {}, label), this.#control));
  }

  get value() {
    return this.#control?.value ?? this.getAttribute("value") ?? "";
  }

  set value(value) {
    if (this.#control) this.#control.value = String(value ?? "");
    else this.setAttribute("value", value);
  }

  get field() {
    return { name: this.getAttribute("name") ?? "", value: this.value };
  }

  draft() {
    return { value: this.value };
  }

  restore({ value }) {
    this.value = value;
  }

  reportValidity() {
    return this.#control?.reportValidity() ?? true;
  }
};

/** A check box or a radio button; the label is what the element holds. */
const choice = (type) => class extends HTMLElement {
  #control = null;

  connectedCallback() {
    if (this.#control !== null) return;
    this.#control = h("input", { type, ...taken(this, { checked: "checked", disabled: "disabled" }) });
    this.#control.addEventListener("change", () => {
      if (type === "radio") this.#release();
      this.dispatchEvent(new Event("change", { bubbles: true }));
    });
    this.attachShadow({ mode: "open", delegatesFocus: true }).append(style(),
      h("label", { class: "choice" }, this.#control, h("slot")));
  }

  /** Radio buttons in trees of their own do not know of each other. */
  #release() {
    const group = this.closest("crowd-radio-group") ?? this.closest("crowd-form") ?? document;
    for (const other of group.querySelectorAll("crowd-radio-button")) {
      if (other !== this && other.getAttribute("name") === this.getAttribute("name")) {
        other.checked = false;
      }
    }
  }

  get checked() {
    return this.#control?.checked ?? this.hasAttribute("checked");
  }

  set checked(on) {
    if (this.#control) this.#control.checked = on === true;
    else this.toggleAttribute("checked", on === true);
  }

  get field() {
    const name = this.getAttribute("name") ??
      this.closest("crowd-radio-group")?.getAttribute("name") ?? "";
    return { name, option: this.getAttribute("value") ?? "on", checked: this.checked };
  }

  draft() {
    return { checked: this.checked };
  }

  restore({ checked }) {
    this.checked = checked === true;
  }
};

class CrowdButton extends HTMLElement {
  connectedCallback() {
    if (this.shadowRoot !== null) return;
    const primary = this.getAttribute("variant") === "primary" ||
      this.getAttribute("form-action") === "submit";
    const inside = button({ class: primary ? "primary" : "", ...taken(this, { disabled: "disabled" }) },
      h("slot"));
    this.attachShadow({ mode: "open", delegatesFocus: true }).append(style(), inside);
    this.addEventListener("click", () => {
      const address = this.getAttribute("href");
      if (address?.startsWith("#")) document.querySelector(address)?.scrollIntoView();
    });
  }
}

/** Shows its content on a press: crowd-instructions, crowd-modal. */
const folded = (name) => class extends HTMLElement {
  connectedCallback() {
    if (this.shadowRoot !== null) return;
    const dialog = h("dialog", {}, h("slot"),
      h("form", { method: "dialog" }, h("button", { class: "primary" }, "Close")));
    this.open = () => dialog.open || dialog.showModal();
    this.close = () => dialog.close();
    this.attachShadow({ mode: "open" }).append(style(),
      button({ onclick: () => dialog.showModal() }, this.getAttribute("link-text") || name), dialog);
  }
};

/** Content with the heading that an attribute holds. */
const headed = (attribute, tag = "h2") => class extends HTMLElement {
  connectedCallback() {
    if (this.shadowRoot !== null) return;
    const heading = this.getAttribute(attribute);
    this.attachShadow({ mode: "open" }).append(style(),
      h("div", { class: "block" }, heading ? h(tag, {}, heading) : null, h("slot")));
  }
};

const Plain = headed("heading");

export const simple = {
  "crowd-button": CrowdButton,
  "crowd-icon-button": class extends CrowdButton {},
  "crowd-input": text("input"),
  "crowd-text-area": text("textarea"),
  "crowd-slider": text("input", { type: "range" }),
  "crowd-checkbox": choice("checkbox"),
  "crowd-toggle-button": choice("checkbox"),
  "crowd-radio-button": choice("radio"),
  "crowd-radio-group": class extends HTMLElement {},
  "crowd-instructions": folded("Instructions"),
  "crowd-modal": folded("More …"),
  "crowd-alert": headed("heading"),
  "crowd-card": Plain,
  "crowd-tabs": headed("heading"),
  "crowd-tab": headed("header", "h3"),
  "crowd-toast": headed("heading"),
  "crowd-badge": headed("label", "strong"),
  "detailed-instructions": headed("header", "h3"),
  "short-summary": headed("header", "h3"),
  "positive-example": headed("header", "h3"),
  "negative-example": headed("header", "h3"),
};
