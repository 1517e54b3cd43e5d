// The task API, as the page uses it. The token travels in a header: never in an address.

/** The service said no (status >= 400), or could not be reached (status 0). */
export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export class Api {
  #token;

  constructor(token) {
    this.#token = token;
  }

  me = () => this.#call("GET", "me");

  jobs = async () => (await this.#call("GET", "jobs")).jobs;

  instructions = async (jobArn) =>
    (await this.#call("GET", `jobs/instructions?job_arn=${encodeURIComponent(jobArn)}`)).blocks;

  held = async () => (await this.#call("GET", "tasks")).tasks;

  accept = async (jobArn) =>
    (await this.#call("POST", "tasks/accept", { job_arn: jobArn })).task;

  /** Send an answer; with a job's ARN resolves to its next task for this worker, or null. */
  submit = async (id, answer, then) => {
    const query = then === undefined ? "" : `?then=${encodeURIComponent(then)}`;
    return (await this.#call("POST", `tasks/${encodeURIComponent(id)}/submit${query}`, answer)).task;
  };

  giveBack = (id) => this.#call("POST", `tasks/${encodeURIComponent(id)}/return`, {});

  decline = (id, reason) =>
    this.#call("POST", `tasks/${encodeURIComponent(id)}/decline`, { reason });

  async #call(method, path, body) {
    const headers = { Authorization: `Bearer ${this.#token}` };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    let response;
    try {
      response = await fetch(`api/${path}`, {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        cache: "no-store",
        credentials: "omit",
        redirect: "error",
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
}
