// The image and the boxes on it: pointer and wheel in, SVG out. What the boxes are is the
// Drawing's (model.js); where they stand on the screen is arithmetic (geometry.js).
//
// A drag draws a box; on a handle of the selected box it resizes, inside the selected box it
// moves, with Shift it draws all the same. A click selects, and cycles through boxes that
// overlap. The wheel zooms at the cursor; the middle button, Space and a drag, or two fingers, pan.

import { button, colour, h, svg } from "../dom.js";
import * as g from "./geometry.js";

const REACH = 9; // screen pixels from a handle that still take it
const FINGER = 22; // the same under a finger
const CLICK = 4; // screen pixels that a hand shakes in a click
const MARGIN = 14;

export class Editor {
  #drawing;
  #changed;
  #fixed;
  #labels;
  #view = { scale: 1, x: 0, y: 0 };
  #fit = true;
  #gesture = null;
  #panning = false;
  #queued = false;
  #pointer = null;
  #painted = [];
  #shapes = [];
  #shown = new WeakMap(); // what each shape shows, so that a step of one box moves one shape
  #fingers = new Map();
  #pinch = null;
  #touched = false;
  /** The corner that Ctrl and the arrow keys drag. */
  corner = "se";

  /**
   * drawing: a Drawing; image: its decoded <img>; changed(): called after each change of boxes or
   * selection; fixed: boxes are only shown; labels: all names, in the order of their colours.
   */
  constructor({ drawing, image, labels, fixed = false, changed }) {
    this.#drawing = drawing;
    this.#changed = changed;
    this.#fixed = fixed;
    this.#labels = labels;
    this.image = image;
    this.boxLayer = svg("g");
    this.previewLayer = svg("g");
    this.cross = svg("g", { class: "cross", visibility: "hidden" },
      svg("path", { class: "halo" }), svg("path", { class: "line" }));
    this.overlay = svg("svg", { class: "overlay" }, this.boxLayer, this.cross, this.previewLayer);
    this.element = h(
      "div",
      {
        class: fixed ? "stage fixed" : "stage",
        tabindex: "0",
        role: "application",
        "aria-label": "Image to label",
      },
      this.image,
      this.overlay,
    );
    this.scale = button({ title: "Fit the image (F)", onclick: () => this.fit() });
    this.zooms = h("div", { class: "zooms", role: "group", "aria-label": "Zoom" },
      button({ title: "Zoom out (−)", "aria-label": "Zoom out", onclick: () => this.zoom(0.8) }, "−"),
      this.scale,
      button({ title: "Zoom in (+)", "aria-label": "Zoom in", onclick: () => this.zoom(1.25) }, "+"));
    const listen = (type, listener, options) =>
      this.element.addEventListener(type, listener.bind(this), options);
    listen("pointerdown", this.#down);
    listen("pointermove", this.#move);
    listen("pointerup", this.#up);
    listen("pointercancel", this.#lost);
    listen("pointerleave", this.#leave);
    listen("wheel", this.#wheel, { passive: false });
    listen("contextmenu", (event) => event.preventDefault());
    this.observer = new ResizeObserver(() => (this.#fit ? this.fit() : this.draw()));
    this.observer.observe(this.element);
  }

  close() {
    this.observer.disconnect();
  }

  get #frame() {
    const { width, height } = this.element.getBoundingClientRect();
    return { width, height };
  }

  fit() {
    this.#fit = true;
    this.#view = g.fitted(this.#drawing.raster, this.#frame, MARGIN);
    this.draw();
  }

  zoom(factor, at = { x: this.#frame.width / 2, y: this.#frame.height / 2 }) {
    const whole = g.fitted(this.#drawing.raster, this.#frame, MARGIN);
    this.#view = g.zoomedAt(this.#view, factor, at, whole.scale);
    this.#fit = this.#view.scale <= whole.scale;
    this.#view = this.#fit ? whole : g.kept(this.#view, this.#drawing.raster, this.#frame);
    this.draw();
  }

  /** Space held down: a drag moves the image. */
  set panning(on) {
    this.#panning = on;
    this.element.classList.toggle("panning", on);
  }

  /** Give up what the pointer is in the middle of; true if there was something. */
  cancel() {
    const busy = this.#gesture !== null;
    this.#gesture = null;
    this.draw();
    return busy;
  }

  #screen(event) {
    const { left, top } = this.element.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  }

  get #reach() {
    return (this.#touched ? FINGER : REACH) / this.#view.scale;
  }

  /** A box for the keyboard to begin with: a quarter of what is in view, in its middle. */
  middle() {
    const { raster } = this.#drawing;
    const { width, height } = this.#frame;
    const from = g.inside(g.toImage(this.#view, { x: 0, y: 0 }), raster);
    const to = g.inside(g.toImage(this.#view, { x: width, y: height }), raster);
    const part = (low, high, at) => low + (high - low) * at;
    return g.spanned(
      { x: part(from.x, to.x, 0.375), y: part(from.y, to.y, 0.375) },
      { x: part(from.x, to.x, 0.625), y: part(from.y, to.y, 0.625) },
      raster,
    );
  }

  #down(event) {
    const at = this.#screen(event);
    const point = g.toImage(this.#view, at);
    this.element.focus({ preventScroll: true });
    event.preventDefault();
    this.#touched = event.pointerType === "touch";
    if (this.#touched && this.#finger(event, at)) return;
    if (event.button === 1 || (event.button === 0 && this.#panning)) {
      this.#gesture = { kind: "pan", at, view: this.#view };
    } else if (event.button === 0) {
      this.#gesture = this.#aim(at, point, event.shiftKey);
    } else return;
    this.element.setPointerCapture(event.pointerId);
    this.draw();
  }

  /** Note where a finger is; true if two of them zoom and move the image. */
  #finger(event, at) {
    this.#fingers.set(event.pointerId, at);
    if (this.#fingers.size !== 2) return this.#fingers.size > 2;
    this.#gesture = null;
    this.#pinch = { view: this.#view, from: g.pinched(...this.#fingers.values()) };
    this.element.setPointerCapture(event.pointerId);
    this.draw();
    return true;
  }

  #spread() {
    const { view, from } = this.#pinch;
    const to = g.pinched(...this.#fingers.values());
    const whole = g.fitted(this.#drawing.raster, this.#frame, MARGIN);
    const zoomed = g.zoomedAt(view, to.distance / from.distance, from, whole.scale);
    this.#fit = false;
    this.#view = g.kept(
      { scale: zoomed.scale, x: zoomed.x + to.x - from.x, y: zoomed.y + to.y - from.y },
      this.#drawing.raster,
      this.#frame,
    );
    this.draw();
  }

  #lost(event) {
    this.#fingers.delete(event.pointerId);
    if (this.#fingers.size < 2) this.#pinch = null;
    this.cancel();
  }

  #aim(at, point, always) {
    const { boxes, selected } = this.#drawing;
    const box = boxes[selected];
    const from = g.inside(point, this.#drawing.raster);
    if (!this.#fixed && box !== undefined && !always) {
      const handle = g.handleAt(box, point, this.#reach);
      if (handle) return { kind: "resize", at, point, handle, index: selected, box };
      if (g.contains(box, point)) return { kind: "move", at, point, index: selected, box };
    }
    return { kind: this.#fixed ? "click" : "draw", at, point, from, to: from };
  }

  #move(event) {
    const at = this.#screen(event);
    if (this.#fingers.has(event.pointerId)) this.#fingers.set(event.pointerId, at);
    if (this.#pinch) {
      if (this.#fingers.size === 2) this.#spread();
      return;
    }
    const point = g.toImage(this.#view, at);
    this.#pointer = { at, point };
    const gesture = this.#gesture;
    if (gesture) this.#drag(gesture, at, point);
    this.draw();
  }

  #drag(gesture, at, point) {
    const dx = point.x - gesture.point?.x;
    const dy = point.y - gesture.point?.y;
    const { raster } = this.#drawing;
    gesture.far ||= Math.hypot(at.x - gesture.at.x, at.y - gesture.at.y) >= CLICK;
    if (gesture.kind === "pan") {
      const { view } = gesture;
      this.#fit = false;
      this.#view = g.kept(
        { scale: view.scale, x: view.x + at.x - gesture.at.x, y: view.y + at.y - gesture.at.y },
        raster,
        this.#frame,
      );
    } else if (gesture.kind === "draw") gesture.to = point;
    else if (gesture.kind === "move") gesture.result = g.moved(gesture.box, dx, dy, raster);
    else if (gesture.kind === "resize") {
      gesture.result = g.resized(gesture.box, gesture.handle, dx, dy, raster);
    }
  }

  #up(event) {
    this.#fingers.delete(event.pointerId);
    if (this.#pinch) {
      // The other finger, still down, draws nothing.
      if (this.#fingers.size === 0) this.#pinch = null;
      return;
    }
    const gesture = this.#gesture;
    if (gesture === null) return;
    this.#drag(gesture, this.#screen(event), g.toImage(this.#view, this.#screen(event)));
    this.#gesture = null;
    if (gesture.kind === "pan") return this.draw();
    if (!gesture.far) {
      if (gesture.kind !== "resize") this.#click(gesture.point);
    } else if (gesture.kind === "draw") {
      this.#drawing.add(g.spanned(gesture.from, gesture.to, this.#drawing.raster));
    } else if (gesture.result) {
      this.#drawing.replace(gesture.index, gesture.result);
    }
    this.draw();
    return this.#changed();
  }

  #click(point) {
    const hits = g.boxesAt(this.#drawing.boxes, point);
    const place = hits.indexOf(this.#drawing.selected);
    this.#drawing.select(hits.length === 0 ? -1 : hits[(place + 1) % hits.length]);
  }

  #leave() {
    this.#pointer = null;
    this.draw();
  }

  #wheel(event) {
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    const amount = Math.min(Math.max(event.deltaY * lines, -240), 240);
    this.zoom(Math.exp(-amount / 400), this.#screen(event));
  }

  /** Draw at the next frame, once, however often it is asked for. */
  draw() {
    if (this.#queued) return;
    this.#queued = true;
    requestAnimationFrame(() => {
      this.#queued = false;
      this.paint();
    });
  }

  /** Draw now: a frame that stood behind another one has not been asked to for a while. */
  paint() {
    const size = this.#frame;
    if (this.#fit) this.#view = g.fitted(this.#drawing.raster, size, MARGIN);
    const { raster, boxes, selected, nothing } = this.#drawing;
    const frame = g.toScreen(this.#view, { left: 0, top: 0, ...raster });
    const { style } = this.image;
    style.transform = `translate(${frame.left}px, ${frame.top}px)`;
    style.width = `${frame.width}px`;
    style.height = `${frame.height}px`;
    this.image.classList.toggle("pixels", this.#view.scale >= 4);
    const scale = `${Math.round(this.#view.scale * 100)} %`;
    if (this.scale.textContent !== scale) this.scale.textContent = scale;
    this.element.classList.toggle("nothing", nothing);
    // Drawn on top by the preview.
    const busy = this.#gesture?.index ?? selected;
    const state = [boxes, selected, busy, this.#view];
    // A pointer that only moves must not rebuild hundreds of boxes.
    if (state.some((value, index) => value !== this.#painted[index])) {
      this.#painted = state;
      this.#paintBoxes(boxes, selected, busy);
    }
    this.previewLayer.replaceChildren(...this.#preview(boxes[selected]));
    this.#paintCross(frame);
  }

  #preview(selected) {
    const gesture = this.#gesture;
    const { label, raster } = this.#drawing;
    if (gesture?.kind === "draw" && gesture.far) {
      const box = g.spanned(gesture.from, gesture.to, raster);
      return [this.#shape({ ...box, label }, false, false), this.#size(box)];
    }
    const box = gesture?.result ?? selected;
    if (box === undefined) return [];
    const shape = this.#shape(box, true, false);
    if (gesture?.result) return [shape, this.#size(box)];
    if (this.#fixed) return [shape];
    return [shape, this.#size(box), ...g.HANDLES.map((handle) => this.#handle(box, handle))];
  }

  /** Keeps the elements that are there: of hundreds of boxes, a zoom changes only numbers. */
  #paintBoxes(boxes, selected, busy) {
    while (this.#shapes.length > boxes.length) this.#shapes.pop().remove();
    boxes.forEach((box, index) => {
      let shape = this.#shapes[index];
      if (shape === undefined) {
        shape = this.#newShape();
        this.#shapes.push(shape);
        this.boxLayer.append(shape);
      }
      const now = [box, this.#view, index === selected, index === busy];
      if (this.#shown.get(shape)?.every((value, place) => value === now[place])) return;
      this.#shown.set(shape, now);
      this.#place(shape, box, index === selected, index === busy);
    });
  }

  #newShape() {
    return svg("g", {}, svg("rect", { class: "halo" }), svg("rect", { class: "line" }), svg("text"));
  }

  #place(shape, box, selected, hidden) {
    const { left, top, width, height } = g.toScreen(this.#view, box);
    const [halo, line, text] = shape.children;
    const inside = top < 22;
    const set = (element, values) => {
      for (const [name, value] of Object.entries(values)) element.setAttribute(name, value);
    };
    set(shape, {
      class: `box ${colour(this.#labels, box.label)}`,
      "data-selected": selected,
      "data-given": box.given === true,
      visibility: hidden ? "hidden" : "visible",
    });
    set(halo, { x: left, y: top, width, height });
    set(line, { x: left, y: top, width, height });
    set(text, { x: left + (inside ? 5 : 0), y: inside ? top + 16 : top - 6 });
    if (text.textContent !== box.label) text.textContent = box.label;
  }

  #shape(box, selected, hidden) {
    const shape = this.#newShape();
    this.#place(shape, box, selected, hidden);
    return shape;
  }

  #handle(box, handle) {
    const at = g.handlePoint(g.toScreen(this.#view, box), handle);
    const half = this.#touched ? 7 : 4.5;
    return svg("rect", {
      class: handle === this.corner ? "handle marked" : "handle",
      x: at.x - half, y: at.y - half, width: 2 * half, height: 2 * half,
    });
  }

  #size(box) {
    const { left, top, height } = g.toScreen(this.#view, box);
    return svg("text", { class: "size", x: left, y: top + height + 16 },
      `${box.width} × ${box.height}`);
  }

  #paintCross(frame) {
    const { element, cross } = this;
    const pointer = this.#pointer;
    const gesture = this.#gesture;
    const over = pointer !== null && g.contains(frame, { x: pointer.at.x, y: pointer.at.y });
    const box = this.#drawing.boxes[this.#drawing.selected];
    let cursor = "";
    if (pointer !== null && !this.#fixed && !this.#panning && (!gesture || gesture.handle)) {
      const handle =
        gesture?.handle ?? (box === undefined ? null : g.handleAt(box, pointer.point, this.#reach));
      if (handle) cursor = `${handle}-resize`;
      else if (box !== undefined && g.contains(box, pointer.point)) cursor = "move";
    }
    element.style.cursor = cursor;
    const drawing = over && !cursor && !this.#fixed && !this.#panning &&
      (!gesture || gesture.kind === "draw");
    cross.setAttribute("visibility", drawing ? "visible" : "hidden");
    if (!drawing) return;
    const { x, y } = pointer.at;
    const lines = `M${frame.left} ${y}H${frame.left + frame.width}` +
      `M${x} ${frame.top}V${frame.top + frame.height}`;
    for (const path of cross.children) path.setAttribute("d", lines);
  }
}
