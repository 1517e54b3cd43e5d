// A form's answer, put together as Ground Truth does: values in, values out, no DOM.

const LIMIT = 50; // fields that the service takes

/**
 * fields: [{name, value}] for texts and elements with an answer of their own, or
 * [{name, option, checked}] for check boxes and radio buttons, which share one object.
 */
export function collected(fields) {
  const answer = new Map();
  for (const { name, value, option, checked } of fields) {
    if (!name) continue;
    if (option === undefined) {
      answer.set(name, value);
    } else {
      const options = answer.get(name);
      answer.set(name, { ...(typeof options === "object" ? options : {}), [option]: checked });
    }
  }
  if (answer.size > LIMIT) throw new RangeError(`The form has more than ${LIMIT} fields.`);
  return Object.fromEntries(answer);
}

/** A list of names from an attribute's value; throws with a sentence if it is none. */
export function names(value, attribute, { most = 50 } = {}) {
  if (!Array.isArray(value) || !value.every((name) => typeof name === "string" && name !== "")) {
    throw new TypeError(`${attribute} must be a list of texts, as in ['cat', 'dog']`);
  }
  if (value.length === 0) throw new TypeError(`${attribute} names nothing`);
  if (value.length > most) throw new TypeError(`${attribute} has more than ${most} entries`);
  return [...new Set(value)];
}

const SIDES = ["left", "top", "width", "height"];

/** Boxes from an attribute's value: [{label, left, top, width, height}]; throws likewise. */
export function boxes(value, attribute) {
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value)) throw new TypeError(`${attribute} must be a list of boxes`);
  return value.map((box, index) => {
    const numbers = SIDES.map((side) => Number(box?.[side] ?? Number.NaN));
    if (!numbers.every(Number.isFinite)) {
      throw new TypeError(`${attribute}: box ${index + 1} needs numbers for ${SIDES.join(", ")}`);
    }
    const [left, top, width, height] = numbers;
    return { label: String(box.label ?? ""), left, top, width, height };
  });
}
