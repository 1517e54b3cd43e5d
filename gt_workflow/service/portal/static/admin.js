// The admin's page: jobs with their counters, workers, the contact sheet; stopping and inviting.

import { Refusal, send } from "./api.js";
import { Sheet } from "./admin_sheet.js";
import { h } from "./dom.js";
import { arrive } from "./session.js";

const LOOK_AGAIN = 3_000; // milliseconds between looks at the counters

const app = document.querySelector("#app");
const notice = document.querySelector("#notice");
const admin = (path, query = {}) => {
  const asked = new URLSearchParams(query).toString();
  return send("GET", `admin/${path}${asked ? `?${asked}` : ""}`);
};
const order = (path, body) => send("POST", `admin/${path}`, body);

const percent = (share) => (share === null ? "–" : `${Math.round(share * 100)} %`);
const number = (value) => (value === null ? "–" : Math.round(value).toLocaleString("en"));
const cell = (text, properties = {}) => h("td", { class: "number", ...properties }, text);
const short = (arn) => arn.split("/").at(-1);

function say(message, { error = false } = {}) {
  notice.textContent = message;
  notice.hidden = message === "";
  notice.className = error ? "error" : "";
}

function refused(error) {
  if (!(error instanceof Refusal)) throw error;
  if (error.status === 401 || error.status === 403) closed(error);
  else say(error.message, { error: true });
}

/** Nobody's page, or a worker's: say how to come in. */
function closed(error) {
  clearInterval(timer);
  app.replaceChildren(
    h("main", { class: "sheet narrow" },
      h("h1", {}, "Admin"),
      h("p", {}, error.status === 401 ? "You are not signed in." : error.message),
      h("p", { class: "quiet" },
        "Whoever runs the service gets a link with: python -m gt_workflow open"),
      h("p", {}, h("a", { href: "./" }, "To the worker page"))));
}

// Jobs

const statusOf = ({ status }) => (status === "InProgress" ? "in progress" : status.toLowerCase());

function jobRow(job, chosen) {
  const done = job.labeled + job.failed;
  return h("li", {},
    h("button", {
      type: "button", class: "job", "aria-pressed": String(job.job_arn === chosen),
      onclick: () => choose(job.job_arn),
    },
    h("span", { class: "job-name" }, job.job_name),
    h("span", { class: `status ${job.alive ? "alive" : ""}` }, statusOf(job)),
    h("progress", { max: Math.max(job.total, 1), value: done }),
    h("span", { class: "quiet job-counts" },
      `${number(job.labeled)} of ${number(job.total)} labeled` +
      (job.failed ? `, ${number(job.failed)} failed` : ""))));
}

function figures(job) {
  const one = (name, value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));
  return h("dl", { class: "figures" },
    one("labeled", number(job.labeled)),
    one("failed", number(job.failed)),
    one("left", number(job.left)),
    job.alive ? one("in hands", number(job.in_hands)) : null,
    job.alive ? one("last hour", number(job.last_hour)) : null,
    one("workers per image", number(job.workers_per_object)),
    job.gold ? one(`check images, ${percent(job.gold.rate)}`, number(job.gold.questions)) : null);
}

// Workers

function workerRow(one) {
  const gold = one.gold;
  return h("tr", {},
    h("th", { scope: "row" }, one.name, one.role === "admin" ? h("span", { class: "tag" }, "admin") : null),
    cell(number(one.submitted)),
    cell(number(one.in_hands)),
    cell(number(one.declined)),
    cell(number(one.expired)),
    cell(one.median_seconds === null ? "–" : one.median_seconds.toFixed(1)),
    cell(number(one.objects_per_hour)),
    cell(percent(one.agreement)),
    cell(gold ? percent(gold.accuracy) : "–", {
      title: gold ? `${gold.answered} answered, ${gold.missed} boxes missed, ${gold.extra} too many` : "",
    }));
}

const HEADS = [
  ["Worker", ""], ["Answers", ""], ["In hands", "Tasks that they hold now"], ["Declined", ""],
  ["Expired", "Tasks whose time ran out"], ["Seconds", "Median of the latest answers"],
  ["Per hour", "Images an hour, breaks left out"],
  ["Agreement", "Overlap of their boxes with the label that came of all answers"],
  ["Check images", "How well the known boxes were met"],
];

const workersTable = (found) =>
  h("div", { class: "scroll" },
    h("table", {},
      h("thead", {}, h("tr", {}, HEADS.map(([head, title], at) =>
        h("th", { scope: "col", title, class: at ? "number" : "" }, head)))),
      h("tbody", {}, found.length ? found.map(workerRow)
        : h("tr", {}, h("td", { colspan: HEADS.length, class: "quiet" }, "Nobody has answered yet.")))));

// Dialogs

function stopDialog(job) {
  const field = h("input", {
    type: "text", autocomplete: "off", spellcheck: "false", "aria-label": "The job's name", required: true,
  });
  const dialog = h("dialog", { onclose: () => dialog.remove() },
    h("h2", {}, "Stop the job for good?"),
    h("p", {}, "What is labeled is kept and written out. Nobody can go on with the job afterwards. ",
      "To confirm, type its name: ", h("strong", {}, job.job_name)),
    h("form", {
      class: "stack",
      async onsubmit(event) {
        event.preventDefault();
        try {
          await order("stop", { job_arn: job.job_arn, confirm: field.value.trim() });
          dialog.close();
          say("");
          await look();
        } catch (error) {
          field.setCustomValidity(error.message);
          field.reportValidity();
          field.setCustomValidity("");
        }
      },
    },
    field,
    h("div", { class: "row" },
      h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"),
      h("button", { class: "danger" }, "Stop the job"))));
  document.body.append(dialog);
  dialog.showModal();
}

async function inviteDialog() {
  const { teams } = await admin("teams");
  const name = h("input", { type: "text", maxlength: "64", required: true, id: "name", autocomplete: "off" });
  const team = h("select", { id: "team" },
    teams.map((one) => h("option", { value: one.team_arn, selected: one.team_arn === job()?.workteam_arn }, one.name)));
  const role = h("select", { id: "role" },
    h("option", { value: "" }, "worker (or as before)"), h("option", { value: "admin" }, "admin"));
  const made = h("div", { class: "made", hidden: true });
  const dialog = h("dialog", { onclose: () => dialog.remove() },
    h("h2", {}, "Invite a worker"),
    h("form", {
      class: "stack",
      async onsubmit(event) {
        event.preventDefault();
        try {
          const given = { name: name.value };
          if (role.value) given.role = role.value;
          if (team.value) given.team_arn = team.value;
          const { link } = await order("invite", given);
          const whole = new URL(link, location.href).href;
          const shown = h("input", { type: "text", readonly: true, value: whole, "aria-label": "Link" });
          made.replaceChildren(
            h("p", {}, `The link for ${given.name}: good once, for 7 days.`),
            h("div", { class: "row" }, shown,
              h("button", {
                type: "button",
                onclick: () => (shown.select(), navigator.clipboard?.writeText(whole)),
              }, "Copy")));
          made.hidden = false;
          shown.select();
        } catch (error) {
          refused(error);
        }
      },
    },
    h("label", { for: "name" }, "Name"), name,
    h("label", { for: "team" }, "Work team"), team,
    h("label", { for: "role" }, "Role"), role,
    made,
    h("div", { class: "row" },
      h("button", { type: "button", onclick: () => dialog.close() }, "Close"),
      h("button", { class: "primary" }, "Make a link"))));
  document.body.append(dialog);
  dialog.showModal();
}

// The page

let jobs = [];
let chosen = null;
let timer;
const list = h("ul", { class: "jobs", "aria-label": "Jobs" });
const head = h("section", { class: "head" });
const people = h("section", {});
const sheet = new Sheet({ ask: admin, refused });

const job = () => jobs.find((one) => one.job_arn === chosen);

function draw() {
  const focused = list.contains(document.activeElement);
  list.replaceChildren(...jobs.map((one) => jobRow(one, chosen)));
  if (focused) list.querySelector('[aria-pressed="true"]')?.focus();
  const one = job();
  if (!one) {
    head.replaceChildren(h("h1", {}, "No job yet"),
      h("p", { class: "quiet" }, "Jobs appear here as soon as they are launched."));
    return;
  }
  head.replaceChildren(
    h("div", { class: "row-head" },
      h("div", {},
        h("h1", {}, one.job_name),
        h("p", { class: "quiet" }, `${one.title} · ${statusOf(one)} · team ${short(one.workteam_arn)}`)),
      h("span", { class: "space" }),
      one.status === "InProgress" || one.status === "Initializing"
        ? h("button", { type: "button", class: "danger", onclick: () => stopDialog(one) }, "Stop …") : null),
    ...(one.failure_reason ? [h("p", { class: "problem" }, one.failure_reason)] : []),
    figures(one));
}

async function choose(arn) {
  if (arn === chosen) return;
  chosen = arn;
  draw();
  people.replaceChildren();
  await Promise.all([lookAtPeople(), sheet.show(arn)]).catch(refused);
}

async function lookAtPeople() {
  const asked = chosen;
  if (asked === null) return;
  const found = (await admin("workers", { job_arn: asked })).workers;
  if (asked === chosen) people.replaceChildren(h("h2", {}, "Workers"), workersTable(found));
}

async function look() {
  ({ jobs } = await admin("jobs"));
  if (chosen === null && jobs.length) await choose(jobs[0].job_arn);
  else {
    draw();
    if (job()) sheet.grown(job().labeled);
  }
}

async function begin() {
  try {
    await arrive();
    const me = await send("GET", "me");
    app.append(
      h("header", { class: "bar" },
        h("strong", {}, "Labeling: admin"),
        h("span", { class: "space" }),
        h("a", { href: "./" }, "Worker page"),
        h("span", { class: "quiet" }, me.name),
        h("button", { type: "button", onclick: () => inviteDialog().catch(refused) }, "Invite …")),
      h("main", { class: "admin" },
        h("nav", {}, list),
        h("div", { class: "detail" }, head, people, sheet.element)));
    draw();
    await look();
    timer = setInterval(() => {
      if (!document.hidden) Promise.all([look(), lookAtPeople()]).catch(refused);
    }, LOOK_AGAIN);
  } catch (error) {
    refused(error);
  }
}

begin();
