// The tasks of a job, one after the other: the frame at hand, the next one ready behind it, and
// how each ends. What is drawn is the frame's; what is sent, kept and timed is in here.

import { button, h, key } from "./dom.js";
import { Drafts } from "./drafts.js";
import { Frame } from "./frame.js";
import { duration } from "./time.js";

const HURRY = 60; // seconds of the lease at which its clock turns to a warning
const STALE = 0.25; // share of its lease that a task fetched ahead must still have
const PATIENCE = 1500; // milliseconds that the next frame waits for the one at hand
const SHUT = "instructions-shut";
const REASONS = [
  "The image is broken or does not load",
  "The image is too dark, blurred or small to tell",
  "The image shows something that should not be here",
  "The instructions do not fit this image",
];
// The task is not the worker's any more, so there is nothing to send again.
const LOST = [403, 404, 409];

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

/** task: the one to begin with; held: others of the worker's that a reload has left. */
export function taskView(app, { api, worker, task, held = [], refused, say, home }) {
  const drafts = new Drafts(localStorage);
  const arn = task.job_arn;
  let current = null;
  let ahead = null; // a promise of the next Frame, or of null
  let ready = null; // what it has come to; until it is begun, somebody else may get it
  let busy = false;
  let over = false;
  let left = false;
  // For the next image: the label in use, and the boxes of this one.
  let label = null;
  let previous = [];
  let bring = () => {};

  const progress = h("progress", { max: 1, value: 0 });
  const done = h("span");
  const clock = h("span", { class: "clock", title: "Time left for this image" });
  const frames = h("main", { class: "frames" });
  const decline = declineDialog((reason) =>
    finish((next) => api.decline(current.task.id, reason, next),
      { message: "Declined. Here is the next image." }));
  const giveBack = button({
    onclick: () => finish(() => api.giveBack(current.task.id), { stay: false }),
    title: "Give the image back and leave; you may be asked again",
  }, "Return");
  const askWhy = () => busy || over || decline.open || decline.showModal();
  const refuse = button({ onclick: askWhy, title: "Say why it cannot be labeled" },
    "Decline …", key("X"));

  const heard = {
    ready(_data, frame) {
      const draft = drafts.get(frame.task.id);
      frame.tell("start", { draft, shut: localStorage.getItem(SHUT) === "yes" });
    },
    draft: ({ draft }, frame) => drafts.keep(frame.task.id, draft),
    shut: ({ shut }) => localStorage.setItem(SHUT, shut === true ? "yes" : "no"),
    label: (told) => (label = String(told.label)),
    say: ({ message, problem }) => say(String(message), { error: problem === true }),
    submit: ({ answer, begun }, frame) => {
      if (frame === current) submit(answer, begun);
    },
    decline: (_data, frame) => {
      if (frame === current) askWhy();
    },
    drawn: ({ since, at }, frame) => {
      // Not before: the image that is waited for comes first.
      if (frame === current) bring();
      if (Number.isFinite(since) && Number.isFinite(at)) {
        const start = since - performance.timeOrigin;
        performance.measure("next image", { start, end: at - performance.timeOrigin });
      }
    },
  };

  function add(next) {
    const frame = new Frame(next, heard);
    frames.append(frame.element);
    return frame;
  }

  /** Have the next task brought, and its frame built behind the one at hand. */
  function fetchAhead(brought) {
    const drawn = new Promise((resolve) => (bring = resolve));
    // A frame that never says that it is drawn has an error on it, say.
    const patience = new Promise((resolve) => setTimeout(resolve, PATIENCE));
    ahead = Promise.race([drawn, patience])
      .then(() => (brought === undefined && !left ? held.shift() ?? api.accept(arn, { ahead: true }) : brought))
      .then((found) => (!found ? null : left ? give(found) : (ready = add(found))))
      .catch(() => null); // it is asked for again when it is needed
  }

  function give(task_) {
    api.giveBack(task_.id).catch(() => {});
    return null;
  }

  function show(frame, since) {
    current?.close();
    current = frame;
    busy = over = false;
    count(frame.task.progress);
    frame.show({ since, label, previous });
    tick();
  }

  function count({ labeled, failed, total }) {
    done.textContent = `${labeled + failed} of ${total}`;
    progress.max = Math.max(total, 1);
    progress.value = labeled + failed;
  }

  /** How far the job is, where no next task has told it. */
  async function recount() {
    const job = (await api.jobs().catch(() => [])).find(({ job_arn: one }) => one === arn);
    if (job) count(job.progress);
  }

  /** A task that has waited so long that little of its time is left goes back, for a fresh one. */
  async function fresh(frame) {
    const { task: waited } = frame;
    if (frame.until - Date.now() > STALE * waited.seconds_left * 1000) return frame;
    frame.close();
    // What has run out is not the worker's any more, and would be refused.
    if (frame.until > Date.now()) await api.giveBack(waited.id).catch(() => {});
    const found = await api.accept(arn);
    return found === null ? null : add(found);
  }

  async function submit(answer, begun) {
    if (busy || over) return;
    await finish(async (next) => {
      const told = await api.submit(current.task.id, answer, arn, next);
      previous = Object.values(answer).find((value) => value?.boundingBoxes)?.boundingBoxes ?? [];
      return told;
    }, { since: begun, answered: true });
  }

  /** Tell the service how the task ended, then go on: to the next image, or to the list. */
  async function finish(act, { message = "", stay = true, since = null, answered = false } = {}) {
    if (busy || over) return;
    busy = true;
    say("");
    const { id } = current.task;
    let told;
    try {
      told = await act(ready?.task.id);
    } catch (error) {
      busy = false;
      if (LOST.includes(error.status)) lose(error.message);
      else if (error.status === 401 || !answered) refused(error);
      else current.tell("refused", { message: error.message });
      return;
    }
    drafts.drop(id);
    if (stay) await goOn({ message, since, following: told.task, begun: told.begun });
    else leave(null);
  }

  /** begun: whether the task fetched ahead is still the worker's; not known where it is left out. */
  async function goOn({ message = "", since = null, following, begun } = {}) {
    try {
      bring();
      let next = await ahead;
      ready = null;
      if (next && !(begun ?? (await api.begin(next.task.id)))) {
        next.close();
        next = null;
        ahead = Promise.resolve(null); // there is nothing to give back
      }
      if (next) next = await fresh(next);
      else if (following) [next, following] = [add(following), undefined];
      else {
        const found = await api.accept(arn);
        next = found === null ? null : add(found);
      }
      if (left) return;
      if (next === null) {
        leave(task.title);
        return;
      }
      if (following?.progress) next.task.progress = following.progress;
      show(next, since);
      if (message) say(message);
      fetchAhead(following);
      if (following === null) recount();
    } catch (error) {
      home();
      refused(error);
    }
  }

  function leave(ended) {
    say("");
    home(ended);
  }

  function lose(reason) {
    if (over) return;
    over = true;
    drafts.drop(current.task.id);
    current.element.inert = true;
    const curtain = h("div", { class: "curtain" },
      h("h2", {}, "This image is no longer yours"),
      h("p", {}, reason),
      h("button", {
        type: "button",
        class: "primary",
        onclick() {
          curtain.remove();
          goOn();
        },
      }, "Next image"));
    frames.append(curtain);
    curtain.querySelector("button").focus();
  }

  function tick() {
    const seconds = (current.until - Date.now()) / 1000;
    clock.textContent = duration(seconds);
    clock.classList.toggle("hurry", seconds < HURRY);
    if (seconds <= 0 && !busy) lose("Its time is over; somebody else may get it.");
  }

  // Keys belong to the frame, whatever was clicked around it.
  const keyDown = ({ target }) => {
    if (target === document.body && !over) current.focus();
  };

  app.append(
    h("header", { class: "bar" },
      h("strong", { class: "title", title: task.title }, task.title),
      h("span", { class: "quiet clip" }, task.job_name),
      h("span", { class: "space" }),
      h("label", { class: "done" }, done, progress),
      clock,
      h("span", { class: "quiet clip" }, worker.name),
      giveBack,
      refuse),
    frames,
    decline,
  );
  addEventListener("keydown", keyDown);
  show(add(task));
  fetchAhead();
  const timer = setInterval(tick, 500);

  return () => {
    left = true;
    bring();
    removeEventListener("keydown", keyDown);
    clearInterval(timer);
    current.close();
    // Nobody is to wait for a task that was only fetched ahead.
    ahead.then((frame) => {
      frame?.close();
      if (frame?.until > Date.now()) give(frame.task);
    });
  };
}
