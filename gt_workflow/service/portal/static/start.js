// Before and between tasks: signing in, and the list of jobs.

import { button, h } from "./dom.js";
import { inviteIn } from "./session.js";
import { duration } from "./time.js";

const LOOK_AGAIN = 10_000; // milliseconds between looks for new work
const KINDS = {
  label: "Draw boxes",
  adjust: "Adjust boxes",
  verify: "Verify boxes",
};

export function signInView(app, { reason, enter }) {
  const field = h("input", {
    id: "link", type: "password", autocomplete: "off", spellcheck: "false", required: true,
    maxlength: "2000",
  });
  app.append(
    h("main", { class: "sheet narrow" },
      h("h1", {}, "Labeling"),
      h("p", { class: reason ? "problem" : "" },
        reason || "Open the invitation link that you were given, or paste it here."),
      h("form", {
        onsubmit(event) {
          event.preventDefault();
          enter(inviteIn(field.value));
        },
      },
      h("label", { for: "link" }, "Invitation link"),
      field,
      h("button", { class: "primary" }, "Sign in"))),
  );
  field.focus();
}

const figure = (name, value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));
const percent = (share) => `${Math.round(share * 100)} %`;

/** The time that is left of the task in hand that runs out first. */
const soonest = (held) => duration(Math.min(...held.map((task) => task.seconds_left)));

/** What the worker did lately, as far as anything is known. */
function figures({ hours, submitted, objects_per_hour: speed, median_seconds: median, gold }) {
  if (!submitted && !gold) return null;
  return h("dl", { class: "figures" },
    figure(`images in ${hours} h`, String(submitted)),
    speed === null ? null : figure("images an hour", String(Math.round(speed))),
    median === null ? null : figure("seconds an image", median.toFixed(1)),
    gold === null ? null : figure(`on ${gold.answered} check image${gold.answered === 1 ? "" : "s"}`, percent(gold.accuracy)));
}

function card(job, held, start) {
  const { labeled, failed, total } = job.progress;
  const done = labeled + failed;
  const left = `${job.available} ${job.available === 1 ? "image" : "images"} for you`;
  return h("li", { class: "card" },
    h("div", { class: "card-text" },
      h("h2", {}, job.title),
      h("p", { class: "quiet" }, `${KINDS[job.kind] ?? job.kind} · ${job.job_name}`),
      job.description ? h("p", { class: "description" }, job.description) : null,
      h("p", { class: "quiet" }, `${left} · ${done} of ${total} done · ${job.mine} by you`),
      job.held ? h("p", { class: "clock" }, `${job.held} in your hands, time left ${soonest(held)}`) : null,
      h("progress", { max: Math.max(total, 1), value: done })),
    h("button", { class: "primary", type: "button", onclick: start, disabled: !job.available && !held.length },
      held.length ? "Go on" : "Start"));
}

export function jobsView(app, { api, worker, ended, refused, say, open, out }) {
  const list = h("ul", { class: "cards", "aria-label": "Jobs" });
  const empty = h("section", { class: "empty", hidden: true },
    h("h2", {}, ended === null ? "Nothing to label right now" : "All done, thank you"),
    h("p", { class: "quiet" },
      "This page looks for new work every few seconds; you can leave it open."));
  const did = h("div", { "aria-label": "Your statistics" });
  let busy = false;
  let first = true;

  async function start(arn) {
    if (busy) return;
    busy = true;
    try {
      const task = await api.accept(arn);
      if (task) open(task);
      else {
        say("Somebody else was faster: no image of this job is free right now.");
        await look();
      }
    } catch (error) {
      refused(error);
    } finally {
      busy = false;
    }
  }

  async function look() {
    const [jobs, held, me] = await Promise.all([api.jobs(), api.held(), api.me()]);
    did.replaceChildren(...[figures(me.statistics)].filter(Boolean));
    const focus = first || list.contains(document.activeElement);
    first = false;
    list.replaceChildren(...jobs.map((job) => {
      const mine = held.filter((task) => task.job_arn === job.job_arn);
      return card(job, mine, () => (mine.length ? open(mine[0], mine.slice(1)) : start(job.job_arn)));
    }));
    empty.hidden = jobs.some((job) => job.available > 0 || job.held > 0);
    if (focus) list.querySelector("button:enabled")?.focus();
  }

  app.append(
    h("header", { class: "bar" },
      h("strong", {}, "Labeling"),
      h("span", { class: "space" }),
      worker.role === "admin" ? h("a", { href: "admin" }, "Admin") : null,
      h("span", { class: "quiet" }, worker.name),
      button({ onclick: out }, "Sign out")),
    h("main", { class: "sheet" }, h("h1", {}, "Your jobs"), did, empty, list),
  );
  const again = () => {
    if (!document.hidden && !busy) look().catch(refused);
  };
  look().catch(refused);
  const timer = setInterval(again, LOOK_AGAIN);
  // Who comes back to the window sees at once what there is.
  document.addEventListener("visibilitychange", again);
  addEventListener("focus", again);
  return () => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", again);
    removeEventListener("focus", again);
  };
}
