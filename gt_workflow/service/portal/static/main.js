// The page: sign in, choose a job, label. One view at a time; each view is a function that
// fills #app and returns how to leave it.

import { Api, Refusal } from "./api.js";
import { h } from "./dom.js";
import { forget } from "./drafts.js";
import { arrive, signIn, signOut } from "./session.js";
import { jobsView, signInView } from "./start.js";
import { taskView } from "./task.js";

const app = document.querySelector("#app");
const notice = document.querySelector("#notice");
let leave = () => {};
let hiding;

/** One sentence to the worker; errors stay until something happens. */
function say(message, { error = false } = {}) {
  clearTimeout(hiding);
  notice.textContent = message;
  notice.hidden = message === "";
  notice.className = error ? "error" : "";
  if (message && !error) hiding = setTimeout(() => (notice.hidden = true), 4000);
}

function show(view, context) {
  leave();
  app.replaceChildren();
  leave = view(app, context) ?? (() => {});
}

function askIn(reason = "") {
  show(signInView, {
    reason,
    async enter(invite) {
      try {
        await signIn(invite);
      } catch (error) {
        askIn(error.message);
        return;
      }
      say("");
      begin();
    },
  });
}

async function begin() {
  const api = new Api();
  let worker;

  const refused = (error) => {
    if (error.status === 401) {
      askIn(worker ? "You are signed out. Ask for a new link to go on." : "");
    } else if (typeof error.status === "number") {
      say(error.message, { error: true });
    } else {
      throw error;
    }
  };

  const out = async () => {
    forget(localStorage);
    await signOut().then(() => askIn("You are signed out."), refused);
  };

  const home = (ended = null) =>
    show(jobsView, { api, worker, ended, refused, say, open, out });

  const open = (task, held = []) =>
    show(taskView, { api, worker, task, held, refused, say, home });

  try {
    worker = await api.me();
    const [first, ...held] = await api.held();
    if (first) open(first, held.filter((task) => task.job_arn === first.job_arn));
    else home();
  } catch (error) {
    app.replaceChildren(
      h("main", { class: "sheet" },
        h("p", {}, "The page could not start."),
        h("button", { class: "primary", onclick: () => location.reload() }, "Try again")),
    );
    refused(error);
  }
}

/** Sign in by the link that was opened, if it was one, and begin. */
async function enter() {
  try {
    if (await arrive()) say("");
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    askIn(error.message);
    return;
  }
  begin();
}

addEventListener("hashchange", enter);
enter();
