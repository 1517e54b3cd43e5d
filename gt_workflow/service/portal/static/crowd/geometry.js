// Rectangles and the view on them: numbers in, numbers out, no DOM.
//
// A box is {left, top, width, height} in whole pixels of the stored raster, origin top-left,
// edges half-open. A raster is {width, height}. A view is {scale, x, y}: image point p stands at
// screen point p * scale + (x, y). Points are {x, y}.

/** The smallest side of a box that can be drawn, in stored pixels. */
export const MIN_SIDE = 2;
/** How far one can zoom in: screen pixels per stored pixel. */
export const MAX_SCALE = 32;

export const HANDLES = ["nw", "n", "ne", "e", "se", "s", "sw", "w"];

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** One axis between two edges: rounded, ordered, inside 0..size, at least `side` long. */
function axis(a, b, size, side) {
  const low = clamp(Math.round(Math.min(a, b)), 0, size);
  const high = clamp(Math.round(Math.max(a, b)), 0, size);
  const length = Math.min(Math.max(high - low, side), size);
  // A side that was too short grows away from the edge that was held, unless the raster ends.
  const start = a <= b ? low : high - length;
  return [clamp(start, 0, size - length), length];
}

/** The box between two image points, inside the raster and never smaller than MIN_SIDE. */
export function spanned(from, to, raster) {
  const [left, width] = axis(from.x, to.x, raster.width, MIN_SIDE);
  const [top, height] = axis(from.y, to.y, raster.height, MIN_SIDE);
  return { left, top, width, height };
}

/** A box with fractions (as consolidation gives it) on whole pixels, inside the raster. */
export function rounded(box, raster) {
  const [left, width] = axis(box.left, box.left + box.width, raster.width, 1);
  const [top, height] = axis(box.top, box.top + box.height, raster.height, 1);
  return { ...box, left, top, width, height };
}

/** The box shifted by whole pixels; it stops at the raster's edge and keeps its size. */
export function moved(box, dx, dy, raster) {
  return {
    ...box,
    left: clamp(box.left + Math.round(dx), 0, raster.width - box.width),
    top: clamp(box.top + Math.round(dy), 0, raster.height - box.height),
  };
}

/** The box with the edges that `handle` names dragged by (dx, dy); the others stay. */
export function resized(box, handle, dx, dy, raster) {
  let { left, top, width, height } = box;
  if (/[we]/.test(handle)) {
    const right = left + width;
    [left, width] = handle.includes("w")
      ? axis(right, left + dx, raster.width, MIN_SIDE)
      : axis(left, right + dx, raster.width, MIN_SIDE);
  }
  if (/[ns]/.test(handle)) {
    const bottom = top + height;
    [top, height] = handle.includes("n")
      ? axis(bottom, top + dy, raster.height, MIN_SIDE)
      : axis(top, bottom + dy, raster.height, MIN_SIDE);
  }
  return { ...box, left, top, width, height };
}

/** The same for steps of a key: an edge stops before the opposite one and does not cross it. */
export function stretched(box, handle, dx, dy, raster) {
  const short = (size, step, low, high) => {
    const room = Math.max(size - MIN_SIDE, 0);
    if (handle.includes(low)) return Math.min(step, room);
    return handle.includes(high) ? Math.max(step, -room) : 0;
  };
  return resized(box, handle, short(box.width, dx, "w", "e"), short(box.height, dy, "n", "s"), raster);
}

/** Where a handle stands on its box. */
export function handlePoint(box, handle) {
  const fraction = (low, high) =>
    handle.includes(low) ? 0 : handle.includes(high) ? 1 : 0.5;
  return {
    x: box.left + box.width * fraction("w", "e"),
    y: box.top + box.height * fraction("n", "s"),
  };
}

/** The handle within `reach` image pixels of a point, the nearest one; or null. */
export function handleAt(box, point, reach) {
  let best = null;
  let nearest = reach;
  for (const handle of HANDLES) {
    const at = handlePoint(box, handle);
    const distance = Math.max(Math.abs(at.x - point.x), Math.abs(at.y - point.y));
    if (distance <= nearest && (best === null || distance < nearest)) {
      best = handle;
      nearest = distance;
    }
  }
  return best;
}

export function contains(box, point) {
  return (
    point.x >= box.left &&
    point.x < box.left + box.width &&
    point.y >= box.top &&
    point.y < box.top + box.height
  );
}

/** Indexes of the boxes over a point, smallest first, so that an inner box is reachable. */
export function boxesAt(boxes, point) {
  return boxes
    .map((box, index) => ({ area: box.width * box.height, box, index }))
    .filter(({ box }) => contains(box, point))
    .sort((a, b) => a.area - b.area || a.index - b.index)
    .map(({ index }) => index);
}

/** The view that shows the whole raster in the middle of a frame. */
export function fitted(raster, frame, margin = 0) {
  const scale = Math.min(
    Math.max(frame.width - 2 * margin, 1) / raster.width,
    Math.max(frame.height - 2 * margin, 1) / raster.height,
    MAX_SCALE,
  );
  return {
    scale,
    x: (frame.width - raster.width * scale) / 2,
    y: (frame.height - raster.height * scale) / 2,
  };
}

/** The view zoomed by a factor, with the image point under screen point `at` held still. */
export function zoomedAt(view, factor, at, lowest) {
  const scale = clamp(view.scale * factor, Math.min(lowest, MAX_SCALE), MAX_SCALE);
  const ratio = scale / view.scale;
  return { scale, x: at.x - (at.x - view.x) * ratio, y: at.y - (at.y - view.y) * ratio };
}

/** The view kept so that some of the image stays in the frame. */
export function kept(view, raster, frame) {
  const edge = 40;
  return {
    scale: view.scale,
    x: clamp(view.x, edge - raster.width * view.scale, frame.width - edge),
    y: clamp(view.y, edge - raster.height * view.scale, frame.height - edge),
  };
}

export function toImage(view, point) {
  return { x: (point.x - view.x) / view.scale, y: (point.y - view.y) / view.scale };
}

/** A box in screen pixels. */
export function toScreen(view, box) {
  return {
    left: box.left * view.scale + view.x,
    top: box.top * view.scale + view.y,
    width: box.width * view.scale,
    height: box.height * view.scale,
  };
}

/** An image point moved into the raster. */
export function inside(point, raster) {
  return { x: clamp(point.x, 0, raster.width), y: clamp(point.y, 0, raster.height) };
}

/** The middle of two fingers and how far they are apart. */
export function pinched(a, b) {
  return {
    x: (a.x + b.x) / 2,
    y: (a.y + b.y) / 2,
    distance: Math.max(Math.hypot(a.x - b.x, a.y - b.y), 1),
  };
}
