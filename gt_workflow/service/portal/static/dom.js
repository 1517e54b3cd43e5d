// Building elements. Text enters only as text nodes: nothing a label, a title or a file name holds
// can become markup.

function build(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

/** h("p", {class: "note"}, "text", h("b", {}, "more")) */
export const h = (tag, properties = {}, ...children) =>
  build(document.createElement(tag), properties, children);

/** The same for SVG. */
export const svg = (tag, properties = {}, ...children) =>
  build(document.createElementNS("http://www.w3.org/2000/svg", tag), properties, children);

export const key = (text) => h("kbd", {}, text);

/** A button that never takes the focus from the image by a click, so that keys go on working. */
export const button = (properties, ...children) =>
  h("button", { type: "button", onpointerdown: (event) => event.preventDefault(), ...properties },
    ...children);

const palette = 8;

/** The class that colours a label; colours differ for colour-blind eyes too (Okabe and Ito). */
export const colour = (labels, label) => {
  const index = labels.indexOf(label);
  return `colour-${index < 0 ? palette : index % palette}`;
};
