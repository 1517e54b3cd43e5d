// What a worker has begun and not yet submitted, kept in this browser until it is: through
// reloads, lost connections and closed windows. The frames cannot: they have no storage.

const PREFIX = "draft:";
const OLD = 7 * 24 * 3600 * 1000; // milliseconds after which a draft is nobody's any more
const LARGEST = 500_000; // characters; 500 boxes are about 50,000

function each(storage, act) {
  const names = Array.from({ length: storage.length }, (_, index) => storage.key(index));
  for (const name of names) if (name.startsWith(PREFIX)) act(name);
}

/** Forget all drafts: this browser may be another's next. */
export const forget = (storage) => each(storage, (name) => storage.removeItem(name));

export class Drafts {
  #storage;

  constructor(storage, now = Date.now()) {
    this.#storage = storage;
    each(storage, (name) => {
      if (!(this.#read(name)?.at > now - OLD)) storage.removeItem(name);
    });
  }

  #read(name) {
    try {
      return JSON.parse(this.#storage.getItem(name));
    } catch {
      return null;
    }
  }

  get(taskId) {
    return this.#read(PREFIX + taskId)?.draft ?? null;
  }

  keep(taskId, draft) {
    try {
      const text = JSON.stringify({ at: Date.now(), draft });
      if (text.length <= LARGEST) this.#storage.setItem(PREFIX + taskId, text);
    } catch {
      // A full storage costs the draft of a reload, nothing else.
    }
  }

  drop(taskId) {
    this.#storage.removeItem(PREFIX + taskId);
  }
}
