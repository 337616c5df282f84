// What the page asks for and orders. A request that fails gives an answer with an error.

const LONGEST = 30_000; // ms for something to read: maglevd gives up before

export class Api {
  name = null; // of the session; null without one
  role = "viewer";

  async get(path) {
    return read(fetch(path, { signal: AbortSignal.timeout(LONGEST) }));
  }

  async post(path, value) {
    return read(fetch(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(value) }));
  }

  /** Ask who we are; return whether we may look. */
  async who() {
    const answer = await this.get("/api/me");
    this.name = answer.name ?? null;
    this.role = answer.role ?? "viewer";
    return !answer.error;
  }
}

async function read(request) {
  try {
    const answer = await request;
    return await answer.json();
  } catch {
    return { error: "maglevd does not answer" };
  }
}
