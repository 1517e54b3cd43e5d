// One task's frame, seen from the page: the sandbox in which the job's worker template runs. What
// comes out of it is taken from this frame's window alone, and from an origin that is nobody's.

import { h } from "./dom.js";

const LINGERS = 1000; // ms

export class Frame {
  /** Resolves when the elements in the frame are there to be spoken to. */
  ready;
  #heard;

  /** task: as the task API tells it; heard: what to do with a message, by its name. */
  constructor(task, heard) {
    this.task = task;
    this.until = Date.now() + task.seconds_left * 1000;
    this.#heard = heard;
    this.element = h("iframe", {
      src: task.frame,
      sandbox: "allow-scripts allow-forms",
      referrerpolicy: "no-referrer",
      title: "Image to label",
      inert: true,
    });
    this.ready = new Promise((resolve) => (this.isReady = resolve));
    addEventListener("message", this.#message);
  }

  #message = ({ source, origin, data }) => {
    if (source !== this.element.contentWindow || origin !== "null") return;
    if (typeof data?.type !== "string" || !data.type.startsWith("gt-")) return;
    if (data.type === "gt-ready") this.isReady();
    const name = data.type.slice("gt-".length);
    if (Object.hasOwn(this.#heard, name)) this.#heard[name](data, this);
  };

  /** Say something to the elements inside; the frame has no origin that could be named. */
  async tell(type, detail = {}) {
    await this.ready;
    this.element.contentWindow?.postMessage({ ...detail, type: `gt-${type}` }, "*");
  }

  /**
   * Bring it to the front. `since` (ms since 1970) is when the worker asked for it, `label` and
   * `previous` what they drew last: the label in use, and the boxes of the image before.
   */
  show({ since = null, label = null, previous = [] } = {}) {
    this.element.inert = false;
    this.element.classList.add("current");
    this.focus();
    this.ready.then(() => {
      // What was focused while the frame was still loading is the empty document before.
      if (document.activeElement === this.element) this.element.blur();
      this.focus();
    });
    this.tell("shown", { since, label, previous });
  }

  /** Give the frame the keys, unless the worker is asked something. */
  focus() {
    if (document.querySelector("dialog[open]") === null) this.element.focus();
  }

  close() {
    removeEventListener("message", this.#message);
    const { element } = this;
    element.classList.remove("current");
    element.classList.add("over");
    element.inert = true;
    // A key on its way to a frame that is gone is never answered: who typed for the worker (a
    // screen reader's driver, a test) would wait for ever.
    setTimeout(() => element.remove(), LINGERS);
  }
}
