// The page: sign in, choose a job, label. One view at a time; each view is a function that
// fills #app and returns how to leave it.

import { Api } from "./api.js";
import { h } from "./dom.js";
import { jobsView, signInView } from "./start.js";
import { taskView } from "./task.js";

const TOKEN = "token";

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

// The token comes behind the '#', which browsers never send to a server, and leaves the address
// bar at once, so that it is neither in the history nor on a screenshot.
function tokenFromAddress() {
  const token = new URLSearchParams(location.hash.slice(1)).get(TOKEN);
  if (token === null) return false;
  history.replaceState(null, "", location.pathname);
  sessionStorage.setItem(TOKEN, token);
  return true;
}

function signIn(reason = "") {
  sessionStorage.removeItem(TOKEN);
  show(signInView, {
    reason,
    enter(token) {
      sessionStorage.setItem(TOKEN, token);
      say("");
      begin();
    },
  });
}

async function begin() {
  const token = sessionStorage.getItem(TOKEN);
  if (!token) {
    signIn();
    return;
  }
  const api = new Api(token);
  let worker;

  const refused = (error) => {
    if (error.status === 401) {
      signIn("This invitation is not valid, or no longer. Ask for a new link.");
    } else if (typeof error.status === "number") {
      say(error.message, { error: true });
    } else {
      throw error;
    }
  };

  const home = (ended = null) =>
    show(jobsView, { api, worker, ended, refused, say, open, out: () => signIn() });

  const open = (task) =>
    show(taskView, { api, worker, task, refused, say, next: open, home });

  try {
    worker = await api.me();
    const [held] = await api.held();
    if (held) open(held);
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

addEventListener("hashchange", () => {
  if (tokenFromAddress()) begin();
});
tokenFromAddress();
begin();
