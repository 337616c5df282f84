// The stream of snapshots and frames. It goes on where it was after an interruption, and rests while nobody looks.
// maglevd sends something every 3 s (`BEAT` in feed.py). Silence means that it stands still, or that the connection is
// dead without an end: a browser reports neither.

const REST = 30_000; // ms that a page is hidden before it lets go of its connection: browsers have six for each site
const LONGEST = 10_000; // ms between two attempts at most
const SILENCE = 10_000; // ms without a word, about three beats, after which the page says so
const PATIENCE = 120_000; // ms without a word after which another connection is tried, at most

export class Stream {
  #source = null;
  #timer = 0;
  #pause = 500;
  #opened = 0; // when the connection was begun
  #heard = performance.now(); // when something came last; this clock is not set, as that of the day may be
  #live = false;
  #silent = false;
  #patience = SILENCE; // a connection that is slow with a snapshot gets more time with each attempt

  /** Handlers: snapshot(data), frame(data), state(word, text, age): the age is that of the last word, in seconds. */
  constructor(store, handlers) {
    this.store = store;
    this.handlers = handlers;
    document.addEventListener("visibilitychange", () => this.#visibility());
    setInterval(() => this.#listen(), 1000);
  }

  open() {
    clearTimeout(this.#timer);
    this.close();
    this.#opened = performance.now();
    const after = this.store.last ? `?after=${encodeURIComponent(this.store.last)}` : "";
    const source = (this.#source = new EventSource(`/api/events${after}`));
    const on = (kind, apply) => source.addEventListener(kind, (event) => {
      if (event.lastEventId) this.store.last = event.lastEventId;
      this.#pause = 500;
      this.#patience = SILENCE;
      this.#heard = performance.now();
      this.#silent = false;
      this.#live = true;
      apply(JSON.parse(event.data));
      this.handlers.state("live", "live");
    });
    on("snapshot", (data) => this.handlers.snapshot(data));
    on("frame", (data) => this.handlers.frame(data));
    on("beat", () => {});
    source.onerror = () => this.#failed(source);
  }

  close() {
    this.#source?.close();
    this.#source = null;
  }

  /** Once a second: say that nothing comes, and try another connection, as this one may be dead. */
  #listen() {
    if (!this.#source) return;
    const now = performance.now();
    const waited = now - Math.max(this.#heard, this.#opened);
    this.#silent ||= waited >= SILENCE;
    if (!this.#silent) return;
    this.#live = false;
    const age = (now - this.#heard) / 1000;
    this.handlers.state("silent", "no word from maglevd", age);
    if (waited < this.#patience) return;
    this.#patience = Math.min(this.#patience * 2, PATIENCE);
    this.open();
  }

  async #failed(source) {
    if (source !== this.#source) return;
    this.close();
    const age = () => (performance.now() - this.#heard) / 1000;
    if (this.#live) this.handlers.state("bad", "reconnecting", age());
    this.#live = this.#silent = false;
    const answer = await fetch("/api/me", { signal: AbortSignal.timeout(SILENCE) }).catch(() => null);
    if (this.#source) return; // opened again meanwhile: the tab was hidden, and came back
    if (answer?.status === 401) {
      this.handlers.state("out", "not logged in");
      return;
    }
    this.handlers.state("bad", answer ? "reconnecting" : "maglevd does not answer", age());
    this.#timer = setTimeout(() => this.open(), this.#pause);
    this.#pause = Math.min(this.#pause * 2, LONGEST);
  }

  #visibility() {
    clearTimeout(this.#timer);
    if (!document.hidden) {
      if (!this.#source) this.open();
    } else {
      this.#timer = setTimeout(() => {
        this.close();
        this.#live = this.#silent = false;
        this.handlers.state("rests", "resting");
      }, REST);
    }
  }
}
