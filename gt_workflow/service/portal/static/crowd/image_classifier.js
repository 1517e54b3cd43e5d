// crowd-image-classifier: the worker chooses a category for an image, and for the boxes on it.

import { colour, h } from "../dom.js";
import { boxes, names } from "./answer.js";
import { ImageWork } from "./image_work.js";
import { verdict } from "./model.js";

const HELP = { Judge: [["1 … 9, 0", "choose the category"]] };

export class CrowdImageClassifier extends ImageWork {
  static observedAttributes = ["src", "categories", "overlay", "header"];

  #chosen = null;

  configure() {
    const categories = names(this.literal("categories"), "categories");
    const overlay = this.literal("overlay")?.boundingBox ?? {};
    const given = boxes(overlay.value, "overlay.boundingBox.value");
    const known = Array.isArray(overlay.labels) ? overlay.labels.map(String) : [];
    const labels = [...new Set([...known, ...given.map(({ label }) => label)])];
    const shown = labels.filter((label) => given.some((box) => box.label === label));
    this.#chosen ??= this.getAttribute("initial-value");
    if (!categories.includes(this.#chosen)) this.#chosen = null;
    for (const part of this.querySelectorAll(":scope > worker-comment")) part.slot = "comment";
    return {
      title: "Your verdict",
      names: categories,
      labels,
      given,
      fixed: true,
      keys: HELP,
      tools: [
        h("ul", { class: "legend" }, shown.map((label) =>
          h("li", { class: colour(labels, label) }, h("span", { class: "swatch" }), label))),
        h("slot", { name: "comment" }),
      ],
    };
  }

  get #comment() {
    return this.querySelector(":scope > worker-comment");
  }

  get chosen() {
    return this.#chosen;
  }

  get field() {
    return {
      name: this.getAttribute("name") || "crowd-image-classifier",
      value: verdict(this.#chosen, this.#comment?.value ?? ""),
    };
  }

  problem() {
    return super.problem() || (this.#chosen === null ? "Choose a verdict first." : "");
  }

  choose(category) {
    this.#chosen = category;
  }

  draft() {
    return { chosen: this.#chosen, comment: this.#comment?.value ?? "" };
  }

  restored({ chosen, comment }) {
    if (this.names.includes(chosen)) this.#chosen = chosen;
    if (this.#comment && typeof comment === "string") this.#comment.value = comment;
  }

  keyed() {
    return false;
  }
}
