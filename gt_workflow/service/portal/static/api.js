// The task API, as the page uses it. The browser adds the session's cookie by itself, and so it
// would for a page of another site; the header says that it is ours, which no other can set.

import { showGold } from "./gold.js";

/** The service said no (status >= 400), or could not be reached (status 0). */
export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** One call: resolves to the answer's JSON, or rejects with a Refusal. */
export async function send(method, path, body, { keepalive = false } = {}) {
  const headers = { "X-GT-Page": "1" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(`api/${path}`, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      credentials: "same-origin",
      redirect: "error",
      keepalive,
    });
  } catch {
    throw new Refusal(0, "The service cannot be reached. Nothing is lost; try again in a moment.");
  }
  const answer = await response.json().catch(() => null);
  if (response.ok && answer !== null) return answer;
  throw new Refusal(
    response.status,
    answer?.error?.message ?? `The service answered with status ${response.status}.`,
  );
}

export class Api {
  me = () => send("GET", "me");

  jobs = async () => (await send("GET", "jobs")).jobs;

  held = async () => (await send("GET", "tasks")).tasks;

  /** ahead: it is not shown yet, and may go to somebody else until it is begun. */
  accept = async (jobArn, { ahead = false } = {}) =>
    (await send("POST", "tasks/accept", { job_arn: jobArn, ahead })).task;

  /** Whether a task that was fetched ahead is still the worker's; from now on it stays. */
  begin = async (id) => (await send("POST", `tasks/${encodeURIComponent(id)}/begin`, {})).begun;

  /**
   * Send an answer, and begin the task `next`, if there is one. Resolves to `begun`, as `begin`
   * does, and `task`: the job's next for this worker after that, or null.
   */
  submit = async (id, answer, then, next) => {
    const query = new URLSearchParams({ then, ...(next && { next }) });
    const done = await send("POST", `tasks/${encodeURIComponent(id)}/submit?${query}`, answer);
    if (done.gold) await showGold(done.gold);
    return done;
  };

  // It arrives even if the page is closed or loaded again at once.
  giveBack = (id) =>
    send("POST", `tasks/${encodeURIComponent(id)}/return`, {}, { keepalive: true });

  decline = (id, reason, next) => {
    const query = new URLSearchParams(next && { next });
    return send("POST", `tasks/${encodeURIComponent(id)}/decline?${query}`, { reason });
  };
}
