// Before and between tasks: signing in, and the list of jobs.

import { button, h } from "./dom.js";
import { inviteIn } from "./session.js";

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

function card(job, start) {
  const { labeled, failed, total } = job.progress;
  const done = labeled + failed;
  const left = `${job.available} ${job.available === 1 ? "image" : "images"} for you`;
  return h("li", { class: "card" },
    h("div", { class: "card-text" },
      h("h2", {}, job.title),
      h("p", { class: "quiet" }, `${KINDS[job.kind] ?? job.kind} · ${job.job_name}`),
      job.description ? h("p", { class: "description" }, job.description) : null,
      h("p", { class: "quiet" }, `${left} · ${done} of ${total} done`),
      h("progress", { max: Math.max(total, 1), value: done })),
    h("button", { class: "primary", type: "button", onclick: start, disabled: !job.available },
      "Start"));
}

export function jobsView(app, { api, worker, ended, refused, say, open, out }) {
  const list = h("ul", { class: "cards", "aria-label": "Jobs" });
  const empty = h("section", { class: "empty", hidden: true },
    h("h2", {}, ended === null ? "Nothing to label right now" : "All done, thank you"),
    h("p", { class: "quiet" },
      "This page looks for new work every few seconds; you can leave it open."));
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
    const jobs = await api.jobs();
    const focus = first || list.contains(document.activeElement);
    first = false;
    list.replaceChildren(...jobs.map((job) => card(job, () => start(job.job_arn))));
    empty.hidden = jobs.some((job) => job.available > 0);
    if (focus) list.querySelector("button:enabled")?.focus();
  }

  app.append(
    h("header", { class: "bar" },
      h("strong", {}, "Labeling"),
      h("span", { class: "space" }),
      h("span", { class: "quiet" }, worker.name),
      button({ onclick: out }, "Sign out")),
    h("main", { class: "sheet" }, h("h1", {}, "Your jobs"), empty, list),
  );
  const again = () => {
    if (!document.hidden && !busy) look().catch(refused);
  };
  look().catch(refused);
  const timer = setInterval(again, LOOK_AGAIN);
  return () => clearInterval(timer);
}
