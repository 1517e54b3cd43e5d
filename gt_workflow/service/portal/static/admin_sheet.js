// The contact sheet: labeled images with their boxes, page by page.

import { colour, h, svg } from "./dom.js";

const PAGE = 24;
const SORTS = [
  ["disagreement", "most disagreement first"],
  ["confidence", "least confidence first"],
  ["newest", "newest first"],
  ["order", "in the manifest's order"],
];
const percent = (share) => `${Math.round(share * 100)} %`;

function picture(which, labels, one) {
  return h("div", { class: "frame" },
    h("img", { src: `api/admin/thumbnail?${which}`, alt: "", loading: "lazy", decoding: "async" }),
    svg("svg", { viewBox: `0 0 ${one.width} ${one.height}`, "aria-hidden": "true" },
      one.boxes.map((box) =>
        svg("rect", {
          class: colour(labels, box.label), x: box.left, y: box.top, width: box.width,
          height: box.height, "vector-effect": "non-scaling-stroke",
        }, svg("title", {}, box.label)))));
}

function tile(arn, labels, one) {
  const count = one.boxes.length === 1 ? "1 box" : `${one.boxes.length} boxes`;
  const facts = [one.verdict ?? count];
  if (one.disagreement !== null) facts.push(`disagreement ${percent(one.disagreement)}`);
  if (one.confidence !== null) facts.push(`confidence ${percent(one.confidence)}`);
  const which = new URLSearchParams({ job_arn: arn, index: one.index });
  const whole = h("a", { href: `api/admin/image?${which}`, target: "_blank", rel: "noopener" },
    one.object.split("/").at(-1));
  return h("li", { class: "tile" },
    picture(which, labels, one),
    h("p", { class: "clip", title: one.object }, whole),
    h("p", { class: "quiet" }, facts.join(" · ")));
}

export class Sheet {
  #ask;
  #refused;
  #arn = null;
  #offset = 0;
  #sort = SORTS[0][0];
  #total = 0;
  #turn = 0;

  constructor({ ask, refused }) {
    this.#ask = ask;
    this.#refused = refused;
    this.choice = h("select", {
      "aria-label": "Order",
      onchange: (event) => this.#go(0, event.target.value),
    }, SORTS.map(([name, text]) => h("option", { value: name }, text)));
    this.before = h("button", { type: "button", onclick: () => this.#go(this.#offset - PAGE) }, "‹ Before");
    this.after = h("button", { type: "button", onclick: () => this.#go(this.#offset + PAGE) }, "Next ›");
    this.again = h("button", { type: "button", onclick: () => this.#go(this.#offset) }, "Refresh");
    this.place = h("span", { class: "quiet" });
    this.legend = h("ul", { class: "legend" });
    this.tiles = h("ul", { class: "tiles" });
    this.element = h("section", { hidden: true },
      h("div", { class: "sheet-bar" },
        h("h2", {}, "Labeled images"), this.choice, this.legend, h("span", { class: "space" }),
        this.place, this.before, this.after, this.again),
      this.tiles);
  }

  async show(arn) {
    this.#arn = arn;
    this.tiles.replaceChildren();
    this.element.hidden = false;
    await this.#load(0);
  }

  /** Load again what is no full page yet, when there is more of it; a full one waits for a click. */
  grown(labeled) {
    if (this.#offset === 0 && this.#total < PAGE && labeled !== this.#total) this.#go(0);
  }

  #go(offset, sort = this.#sort) {
    this.#sort = sort;
    this.#load(Math.max(offset, 0)).catch(this.#refused);
  }

  async #load(offset) {
    const turn = ++this.#turn;
    const arn = this.#arn;
    const found = await this.#ask("sheet", { job_arn: arn, sort: this.#sort, offset, limit: PAGE });
    if (turn !== this.#turn) return; // somebody has clicked on
    this.#offset = offset;
    this.#total = found.total;
    const labels = [...new Set([...found.labels, ...found.objects.flatMap((one) => one.boxes.map((box) => box.label))])];
    this.tiles.replaceChildren(...found.objects.map((one) => tile(arn, labels, one)));
    const shown = new Set(found.objects.flatMap((one) => one.boxes.map((box) => box.label)));
    this.legend.replaceChildren(...labels.filter((label) => shown.has(label)).map((label) =>
      h("li", { class: colour(labels, label) }, h("span", { class: "swatch" }), label)));
    const last = Math.min(offset + PAGE, found.total);
    this.place.textContent = found.total ? `${offset + 1}–${last} of ${found.total}` : "nothing yet";
    if (found.unscored) this.place.textContent += ` (${found.unscored} not yet compared)`;
    this.before.disabled = offset === 0;
    this.after.disabled = last >= found.total;
  }
}
