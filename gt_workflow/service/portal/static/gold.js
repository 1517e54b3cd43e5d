// What a worker is told after a gold question: an image whose boxes were known beforehand.

import { h, svg } from "./dom.js";

const GOOD = 0.8;
const FAIR = 0.5;

const rect = (box, kind) =>
  svg("rect", {
    class: kind, x: box.left, y: box.top, width: box.width, height: box.height,
    "vector-effect": "non-scaling-stroke",
  }, svg("title", {}, box.label));

const boxes = (number) => (number === 1 ? "1 box" : `${number} boxes`);

function sentence({ score, iou, matched, expected, missed, extra }) {
  const parts = [`${matched} of ${boxes(expected)} found`];
  if (iou !== null) parts.push(`with an overlap of ${Math.round(iou * 100)} %`);
  if (missed.length) parts.push(`${missed.length} missed`);
  if (extra.length) parts.push(`${extra.length} where nothing was expected`);
  const praise = score >= GOOD ? "Well done" : score >= FAIR ? "Not quite" : "Look again";
  return [praise, `${parts.join(", ")}.`];
}

/** Show the feedback over everything; resolves when the worker goes on. */
export function showGold(gold) {
  const [praise, text] = sentence(gold);
  const picture = svg("svg", {
    class: "gold-picture", viewBox: `0 0 ${gold.width} ${gold.height}`, role: "img",
    "aria-label": "The image with its known boxes",
  },
  svg("image", { href: gold.image, width: gold.width, height: gold.height }),
  gold.known.map((box) => rect(box, "known")),
  gold.missed.map((box) => rect(box, "missed")),
  gold.extra.map((box) => rect(box, "extra")));
  return new Promise((resolve) => {
    const dialog = h("dialog", { class: "gold", onclose: () => { dialog.remove(); resolve(); } },
      h("h2", {}, `${praise}: this was a check image`),
      h("p", {}, text),
      picture,
      h("ul", { class: "gold-legend" },
        h("li", { class: "known" }, "known"),
        gold.missed.length ? h("li", { class: "missed" }, "missed by you") : null,
        gold.extra.length ? h("li", { class: "extra" }, "drawn by you, not expected") : null),
      h("form", { method: "dialog" },
        h("button", { class: "primary wide", autofocus: true }, "Go on", h("kbd", {}, "Enter"))));
    document.body.append(dialog);
    dialog.showModal();
  });
}
