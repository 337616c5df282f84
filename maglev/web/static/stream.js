// The stream of snapshots and frames. It goes on where it was after an interruption, and rests while nobody looks.

const REST = 30_000; // ms that a page is hidden before it lets go of its connection: browsers have six for each site
const LONGEST = 10_000; // ms between two attempts at most

export class Stream {
  #source = null;
  #timer = 0;
  #pause = 500;

  /** Handlers: snapshot(data), frame(data), state(word, text). */
  constructor(store, handlers) {
    this.store = store;
    this.handlers = handlers;
    document.addEventListener("visibilitychange", () => this.#visibility());
  }

  open() {
    clearTimeout(this.#timer);
    this.close();
    const after = this.store.last ? `?after=${encodeURIComponent(this.store.last)}` : "";
    const source = (this.#source = new EventSource(`/api/events${after}`));
    const on = (kind, apply) => source.addEventListener(kind, (event) => {
      if (event.lastEventId) this.store.last = event.lastEventId;
      this.#pause = 500;
      apply(JSON.parse(event.data));
    });
    on("snapshot", (data) => { this.handlers.snapshot(data); this.handlers.state("live", "live"); });
    on("frame", (data) => { this.handlers.frame(data); });
    source.onopen = () => { if (this.store.boot) this.handlers.state("live", "live"); };
    source.onerror = () => this.#failed(source);
  }

  close() {
    this.#source?.close();
    this.#source = null;
  }

  async #failed(source) {
    if (source !== this.#source) return;
    this.close();
    const answer = await fetch("/api/me").catch(() => null);
    if (answer?.status === 401) {
      this.handlers.state("out", "not logged in");
      return;
    }
    this.handlers.state("bad", answer ? "reconnecting" : "maglevd does not answer");
    this.#timer = setTimeout(() => this.open(), this.#pause);
    this.#pause = Math.min(this.#pause * 2, LONGEST);
  }

  #visibility() {
    clearTimeout(this.#timer);
    if (!document.hidden) {
      if (!this.#source) this.open();
    } else {
      this.#timer = setTimeout(() => { this.close(); this.handlers.state("rests", "resting"); }, REST);
    }
  }
}
