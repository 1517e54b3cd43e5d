// The page around the frame: what it told, and messages both ways. The frame has no origin, so
// nobody can be named as the receiver of its messages but the origin that this module is from.

const home = new URL(import.meta.url).origin;
const listeners = new Map();

/** {kind, image, width, height} of the task; empty where a template is shown by itself. */
export const task = (() => {
  const told = document.querySelector('meta[name="gt-task"]');
  return told === null ? {} : JSON.parse(told.content);
})();

/** Tell the page something. */
export function tell(type, detail = {}) {
  if (parent !== window) parent.postMessage({ ...detail, type: `gt-${type}` }, home);
}

/** Hear what the page tells. */
export function listen(type, act) {
  const name = `gt-${type}`;
  listeners.set(name, [...(listeners.get(name) ?? []), act]);
}

addEventListener("message", ({ source, origin, data }) => {
  if (source !== parent || origin !== home) return;
  for (const act of listeners.get(data?.type) ?? []) act(data);
});

/** Resolves when the page has told what it keeps of this task: the draft, first of all. */
export const started = new Promise((resolve) => {
  if (parent === window) resolve();
  else listen("start", resolve);
});
