// What the job's owner says about the work: a panel beside the image, asked for once per job.

import { button, h, key } from "./dom.js";

const known = new Map(); // job ARN → blocks

function run({ text, bold, italic }) {
  const inner = italic ? h("em", {}, text) : text;
  return bold ? h("strong", {}, inner) : inner;
}

/** Neighbouring items become one list: [["heading", block], ["list", [block, ...]], ...] */
export function grouped(blocks) {
  const groups = [];
  for (const block of blocks) {
    const last = groups.at(-1);
    if (block.kind !== "item") groups.push([block.kind, block]);
    else if (last?.[0] === "list") last[1].push(block);
    else groups.push(["list", [block]]);
  }
  return groups;
}

function element([kind, content]) {
  if (kind === "list") return h("ul", {}, content.map(({ runs }) => h("li", {}, runs.map(run))));
  return h(kind === "heading" ? "h3" : "p", {}, content.runs.map(run));
}

/** Open until the worker shuts it; what they choose holds for the job's other images too. */
export class Instructions {
  #open;
  #name;
  #blocks = null;
  #text = h("p", { class: "quiet" }, "Loading …");

  constructor({ api, worker, task }) {
    this.#name = `instructions:${worker.id}:${task.job_arn}`;
    this.#open = sessionStorage.getItem(this.#name) !== "shut";
    this.element = h("aside", { class: "panel instructions", "aria-label": "Instructions" },
      h("h2", {}, "Instructions"), this.#text);
    this.button = button({ onclick: () => this.toggle(), title: "Instructions" },
      "Instructions", key("I"));
    this.#blocks = known.get(task.job_arn) ?? null;
    this.#show();
    if (this.#blocks === null) this.#load(api, task.job_arn);
  }

  toggle() {
    this.#open = !this.#open;
    try {
      sessionStorage.setItem(this.#name, this.#open ? "open" : "shut");
    } catch {
      // A full storage forgets the choice, nothing else.
    }
    this.#show();
  }

  async #load(api, arn) {
    try {
      this.#blocks = await api.instructions(arn);
      known.set(arn, this.#blocks);
    } catch (error) {
      this.#text.textContent = error.message;
    }
    this.#show();
  }

  #show() {
    const none = this.#blocks?.length === 0;
    if (this.#blocks !== null) {
      this.element.replaceChildren(h("h2", {}, "Instructions"), ...grouped(this.#blocks).map(element));
    }
    this.element.hidden = none || !this.#open;
    this.button.disabled = none;
    this.button.setAttribute("aria-pressed", String(!this.element.hidden));
  }
}
