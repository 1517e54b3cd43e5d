// One task: the image, the labels, what the keys do, and how it ends.

import { button, colour, h, key } from "./dom.js";
import { Editor } from "./editor.js";
import { moved, resized } from "./geometry.js";
import { Instructions } from "./instructions.js";
import { Drawing, duration, verdict } from "./model.js";

const HURRY = 60; // seconds of the lease at which its clock turns to a warning
const KEYS = "1234567890";
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const REASONS = [
  "The image is broken or does not load",
  "The image is too dark, blurred or small to tell",
  "The image shows something that should not be here",
  "The instructions do not fit this image",
];
const HELP = [
  ["drag", "draw a box; on a selected box move it, on its handles resize it"],
  ["Shift + drag", "draw even on a selected box"],
  ["click", "select a box; again: the one beneath"],
  ["1 … 9, 0", "choose the label, or change that of the selected box"],
  ["Tab, Shift+Tab", "select the next box, the one before"],
  ["arrows", "move the selected box by 1 pixel, with Shift by 10"],
  ["Ctrl + arrows", "resize it, with Shift by 10"],
  ["D", "duplicate the selected (or last) box"],
  ["Delete", "delete the selected box"],
  ["Ctrl+Z, Ctrl+Shift+Z", "undo, redo"],
  ["N", "nothing to label in this image"],
  ["wheel, + and −", "zoom; F fits the image again"],
  ["Space + drag", "move the image"],
  ["I", "show or hide the instructions"],
  ["Enter", "submit"],
  ["Esc", "let go: stop drawing, deselect"],
];

const draftKey = (task) => `draft:${task.id}`;

function stored(name) {
  try {
    return JSON.parse(sessionStorage.getItem(name));
  } catch {
    return null;
  }
}

function store(name, value) {
  try {
    sessionStorage.setItem(name, JSON.stringify(value));
  } catch {
    // A full storage costs the draft of a reload, nothing else.
  }
}

function helpDialog() {
  return h("dialog", { class: "help" },
    h("h2", {}, "Keys and mouse"),
    h("dl", {}, HELP.map(([what, does]) => [h("dt", {}, what), h("dd", {}, does)])),
    h("form", { method: "dialog" }, h("button", { class: "primary" }, "Close")));
}

function declineDialog(decline) {
  const other = h("input", { type: "text", maxlength: "200", "aria-label": "Another reason" });
  const choice = (text, index) =>
    h("label", { class: "choice" },
      h("input", { type: "radio", name: "reason", value: text, checked: index === 0 }), text);
  const otherChoice = h("label", { class: "choice" },
    h("input", { type: "radio", name: "reason", value: "" }), "Another reason:", other);
  other.addEventListener("input", () => (otherChoice.firstChild.checked = true));
  const dialog = h("dialog", { class: "decline" },
    h("h2", {}, "Why can this image not be labeled?"),
    h("p", { class: "quiet" }, "You will not be asked about it again."),
    h("form", {
      onsubmit(event) {
        event.preventDefault();
        const picked = new FormData(event.target).get("reason") || other.value.trim();
        if (!picked) {
          other.focus();
          return;
        }
        dialog.close();
        decline(picked);
      },
    },
    REASONS.map(choice), otherChoice,
    h("div", { class: "row" },
      h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"),
      h("button", { class: "primary" }, "Decline this image"))));
  return dialog;
}

export function taskView(app, { api, worker, task, refused, say, next, home }) {
  const verifying = task.kind === "verify";
  const adjusting = task.kind === "adjust";
  const raster = { width: task.image.width, height: task.image.height };
  // A verify job's labels are its categories; the boxes carry the labels of an earlier job.
  const boxLabels = verifying ? [...new Set(task.boxes.map(({ label }) => label))] : task.labels;
  const drawing = new Drawing({ raster, labels: boxLabels, given: task.boxes });
  if (!verifying) drawing.restore(stored(draftKey(task)));
  const deadline = Date.now() + task.seconds_left * 1000;
  let category = null;
  let busy = false;
  let over = false;

  const editor = new Editor({
    drawing,
    source: task.image.url,
    labels: boxLabels,
    fixed: verifying,
    changed: refresh,
    failed: (message) => say(message, { error: true }),
  });

  // What the worker chooses from: labels, or the categories of a verify job.
  const choices = task.labels.map((label, index) =>
    button({
      class: `choice-button ${verifying ? "" : colour(boxLabels, label)}`,
      title: label,
      onclick: () => choose(label),
    },
    verifying ? null : h("span", { class: "swatch" }),
    h("span", { class: "name" }, label),
    index < KEYS.length ? key(KEYS[index]) : null));
  const comment = h("textarea", {
    rows: "3", maxlength: "1000", placeholder: "Comment (optional)", "aria-label": "Comment",
  });
  const count = h("span", { class: "count" });
  const tool = (text, shortcut, act) => button({ onclick: act, title: shortcut }, text);
  const undo = tool("Undo", "Ctrl+Z", () => edit(() => drawing.undo()));
  const redo = tool("Redo", "Ctrl+Shift+Z", () => edit(() => drawing.redo()));
  const remove = tool("Delete", "Delete", () => edit(() => drawing.remove(drawing.selected)));
  const nothing = button({ class: "wide", onclick: sayNothing }, "Nothing to label", key("N"));
  const submit = button({ class: "primary wide", onclick: send }, "Submit", key("Enter"));
  const clock = h("span", { class: "clock", title: "Time left for this image" });
  const place = h("div", { class: "place" }, editor.element);
  const instructions = new Instructions({ api, worker, task });
  const help = helpDialog();
  const decline = declineDialog((reason) =>
    finish(() => api.decline(task.id, reason), "Declined. Here is the next image."));
  const { labeled, failed, total } = task.progress;

  const shown = new Set();
  const legend = verifying
    ? task.boxes.flatMap(({ label }) => {
      if (shown.has(label)) return [];
      shown.add(label);
      return h("li", { class: colour(boxLabels, label) }, h("span", { class: "swatch" }), label);
    })
    : [];

  app.append(
    h("header", { class: "bar" },
      h("strong", { class: "title", title: task.title }, task.title),
      h("span", { class: "quiet clip" }, task.job_name),
      h("span", { class: "space" }),
      h("label", { class: "done" },
        `${labeled + failed} of ${total}`,
        h("progress", { max: Math.max(total, 1), value: labeled + failed })),
      clock,
      h("span", { class: "quiet clip" }, worker.name),
      instructions.button,
      button({ onclick: () => help.showModal(), title: "Keys and mouse" }, "Keys", key("?"))),
    h("main", { class: "bench" },
      instructions.element,
      place,
      h("aside", { class: "panel" },
        task.description ? h("p", { class: "description" }, task.description) : null,
        h("h2", {}, verifying ? "Your verdict" : "Label"),
        h("div", { class: "choices" }, choices),
        verifying ? h("ul", { class: "legend" }, legend) : null,
        verifying ? comment : h("div", { class: "tools" }, undo, redo, remove, count),
        h("span", { class: "space" }),
        adjusting || verifying ? null : nothing,
        submit,
        h("div", { class: "row" },
          button({
            onclick: () => finish(() => api.giveBack(task.id), "", { stay: false }),
            title: "Give the image back; you may be asked again",
          }, "Return"),
          button({ onclick: () => decline.showModal() }, "Decline …")))),
    help,
    decline,
  );

  function choose(label) {
    if (busy || over) return;
    say("");
    if (verifying) category = label;
    else drawing.choose(label);
    refresh();
  }

  function edit(change) {
    if (busy || over || verifying) return;
    say("");
    change();
    refresh();
  }

  function sayNothing() {
    edit(() => {
      if (!drawing.toggleNothing()) say("There are boxes. Delete them if there is nothing to label.");
    });
  }

  function refresh() {
    task.labels.forEach((label, index) => {
      const chosen = verifying ? label === category : label === drawing.label;
      choices[index].setAttribute("aria-pressed", String(chosen));
    });
    undo.disabled = !drawing.canUndo;
    redo.disabled = !drawing.canRedo;
    remove.disabled = drawing.selected < 0;
    nothing.disabled = drawing.boxes.length > 0;
    nothing.setAttribute("aria-pressed", String(drawing.nothing));
    const complete = verifying ? category !== null : drawing.complete;
    submit.disabled = busy || over || !complete || !editor.loaded;
    const boxes = drawing.boxes.length;
    count.textContent = boxes === 1 ? "1 box" : `${boxes} boxes`;
    editor.draw();
    if (!verifying && drawing.canUndo) store(draftKey(task), drawing.draft());
  }

  function send() {
    if (!editor.loaded) {
      say("The image is not on the screen yet.");
    } else if (verifying && category === null) {
      say("Choose a verdict first.");
    } else if (!verifying && !drawing.complete) {
      say("Draw a box, or press N if there is nothing to label.");
    } else {
      const answer = verifying ? verdict(category, comment.value) : drawing.answer({ adjusting });
      finish(() => api.submit(task.id, answer), "");
    }
  }

  /** Tell the service how the task ended, then go on: to the next image, or to the list. */
  async function finish(act, message, { stay = true } = {}) {
    if (busy || over) return;
    busy = true;
    refresh();
    try {
      await act();
    } catch (error) {
      busy = false;
      // Not the worker's task any more: there is nothing to send again.
      if ([403, 404, 409].includes(error.status)) lose(error.message);
      else refused(error);
      refresh();
      return;
    }
    sessionStorage.removeItem(draftKey(task));
    await goOn(message, stay);
  }

  async function goOn(message, stay) {
    try {
      const following = stay ? await api.accept(task.job_arn) : null;
      say(following ? message : "");
      if (following) next(following);
      else home(stay ? task.title : null);
    } catch (error) {
      home();
      refused(error);
    }
  }

  function lose(reason) {
    if (over) return;
    over = true;
    say("");
    sessionStorage.removeItem(draftKey(task));
    place.append(
      h("div", { class: "curtain" },
        h("h2", {}, "This image is no longer yours"),
        h("p", {}, reason),
        h("button", { type: "button", class: "primary", onclick: () => goOn("", true) },
          "Next image")));
    place.querySelector(".curtain button").focus();
    refresh();
  }

  function tick() {
    const left = (deadline - Date.now()) / 1000;
    clock.textContent = duration(left);
    clock.classList.toggle("hurry", left < HURRY);
    if (left <= 0 && !busy) lose("Its time is over; somebody else may get it.");
  }

  function nudge(event) {
    const [x, y] = ARROWS[event.key];
    const step = event.shiftKey ? 10 : 1;
    const index = drawing.selected;
    const box = drawing.boxes[index];
    if (box === undefined) return;
    if (event.ctrlKey || event.metaKey) {
      drawing.replace(index, resized(box, "se", x * step, y * step, raster), "size");
    } else {
      drawing.replace(index, moved(box, x * step, y * step, raster), "nudge");
    }
  }

  const plain = {
    Enter: send,
    "?": () => help.showModal(),
    i: () => instructions.toggle(),
    f: () => editor.fit(),
    "+": () => editor.zoom(1.25),
    "=": () => editor.zoom(1.25),
    "-": () => editor.zoom(0.8),
    n: () => (adjusting || verifying ? null : sayNothing()),
    d: () => edit(() => drawing.duplicate((box) => moved(box, 8, 8, raster))),
    Delete: () => edit(() => drawing.remove(drawing.selected)),
    Backspace: () => edit(() => drawing.remove(drawing.selected)),
    Escape: () => editor.cancel() || edit(() => drawing.select(-1)),
    " ": () => (editor.panning = true),
  };

  function keyDown(event) {
    const at = event.target;
    if (over || help.open || decline.open || at.matches?.("input, textarea, select")) return;
    if (at.matches?.("button") && [" ", "Enter"].includes(event.key)) return;
    const command = event.ctrlKey || event.metaKey;
    if (event.key in ARROWS && !event.altKey) {
      edit(() => nudge(event));
    } else if (command && event.key.toLowerCase() === "z") {
      edit(() => (event.shiftKey ? drawing.redo() : drawing.undo()));
    } else if (command && event.key.toLowerCase() === "y") {
      edit(() => drawing.redo());
    } else if (command || event.altKey) {
      return;
    } else if (event.key === "Tab") {
      // Behind the last box the focus moves on as everywhere.
      if (verifying || drawing.boxes.length === 0 || at.closest?.(".panel, .bar")) return;
      const found = drawing.cycle(event.shiftKey ? -1 : 1);
      refresh();
      if (!found) return;
    } else if (KEYS.includes(event.key) && task.labels[KEYS.indexOf(event.key)] !== undefined) {
      choose(task.labels[KEYS.indexOf(event.key)]);
    } else {
      const act = plain[event.key.length === 1 ? event.key.toLowerCase() : event.key];
      if (act === undefined || (event.repeat && event.key === "Enter")) return;
      act();
    }
    event.preventDefault();
  }

  const keyUp = (event) => {
    if (event.key === " ") editor.panning = false;
  };

  addEventListener("keydown", keyDown);
  addEventListener("keyup", keyUp);
  const timer = setInterval(tick, 500);
  refresh();
  tick();
  editor.element.focus();
  return () => {
    removeEventListener("keydown", keyDown);
    removeEventListener("keyup", keyUp);
    clearInterval(timer);
    editor.close();
  };
}
