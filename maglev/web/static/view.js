// The frontends with their pools and backends. Rows are made once; afterwards only what changed is written.

import { copy, make, say, showMarks, showState, spark } from "./parts.js";
import { orderMark, shapeOf } from "./store.js";
import { count, duration, rate } from "./text.js";

const SOME = 25; // rows that are made in any case before the time is looked at, so that there is an end

class Row {
  constructor(store, key, backend, active) {
    this.store = store;
    this.key = key;
    this.backend = backend;
    this.active = active;
    this.element = copy("row");
    [this.state, this.name, this.check, this.weight, this.now, this.vpp, this.part, this.traffic, this.marks] = this.element.children;
    const button = this.name.firstElementChild;
    button.textContent = backend;
    button.dataset.backend = backend;
    this.element.dataset.key = key;
    this.unwell = false;
    this.update();
    this.drawTraffic();
  }

  update() {
    const { rows } = this.store;
    const backend = rows.backends[this.backend];
    const member = rows.members[this.key];
    if (!backend || !member) return;
    showState(this.state, backend.state);
    say(this.name.lastElementChild, backend.address);
    const check = rows.checks[this.backend];
    const [code, detail] = this.check.children;
    say(code, check ? check[1] : backend.healthcheck ? "no result yet" : "static");
    say(detail, check ? check[2] : "");
    this.check.classList.toggle("failed", Boolean(check && !check[0]));
    this.check.title = check ? `${check[1]} ${check[2]}` : "";
    const [weight, , effective, programmed, vpp, buckets] = member;
    say(this.weight.lastElementChild, String(weight));
    say(this.now.lastElementChild, String(effective));
    this.now.classList.toggle("zero", effective === 0);
    this.vpp.classList.toggle("zero", !vpp);
    this.vpp.classList.toggle("differs", this.store.differs(member, this.active));
    this.vpp.title = vpp === null ? "not known" : `VPP holds ${vpp}, and should hold ${programmed}` + (buckets === null ? "" : `; ${count(buckets, "bucket")}`);
    say(this.vpp.lastElementChild, vpp === null ? "–" : String(vpp));
    showMarks(this.marks, this.store.marks(this.backend, member));
    this.unwell = this.store.memberUnwell(this.backend, member, this.active);
    this.element.classList.toggle("unwell", this.unwell);
    this.words = `${this.backend} ${backend.address}`.toLowerCase();
    this.tick();
  }

  /** Show the share of new flows, given the sum of the buckets of the frontend. */
  share(sum) {
    const buckets = this.store.rows.members[this.key]?.[5];
    say(this.part.lastElementChild, sum && buckets !== null && buckets !== undefined ? `${Math.round((100 * buckets) / sum)}%` : "");
  }

  /** Show how old the last result is. */
  tick() {
    const seen = this.store.rows.seen[this.backend];
    say(this.check.lastElementChild, seen ? duration(this.store.now() - seen[0]) : "");
  }

  drawTraffic() {
    const series = this.store.traffic.backends[this.backend];
    spark(this.traffic.querySelector("path"), series);
    say(this.traffic.lastElementChild, series?.length ? rate(series.at(-1)) : "");
    this.traffic.classList.toggle("none", !series?.length);
  }
}

class Frontend {
  constructor(view, name) {
    this.view = view;
    this.store = view.store;
    this.name = name;
    this.element = copy("frontend");
    const header = this.element.firstElementChild;
    [this.state, this.title, this.address, this.description, this.marks, this.traffic] = header.children;
    const button = this.title.firstElementChild;
    button.textContent = name;
    button.dataset.frontend = name;
    this.element.dataset.name = name;
    this.rows = [];
    this.pools = [];
    this.build();
  }

  build() {
    const row = this.store.rows.frontends[this.name];
    this.shape = shapeOf(row);
    this.view.drop(this.rows);
    this.rows = [];
    this.pools = row.pools.map((pool) => {
      const element = copy("pool");
      const list = element.lastElementChild;
      list.setAttribute("aria-label", `${this.name}, pool ${pool.name}`);
      return { element, list, waiting: [...pool.backends], name: pool.name, active: pool.active };
    });
    this.element.lastElementChild.replaceChildren(...this.pools.map((pool) => pool.element));
    this.update();
  }

  /** Make some rows that are still missing; return how many. */
  fill(most) {
    let made = 0;
    for (const pool of this.pools) {
      const some = pool.waiting.splice(0, most - made);
      const rows = some.map((name) => new Row(this.store, `${this.name}/${pool.name}/${name}`, name, pool.active));
      pool.list.append(...rows.map((row) => row.element));
      this.rows.push(...rows);
      this.view.keep(rows);
      made += some.length;
    }
    if (this.complete) this.shares();
    return made;
  }

  get complete() {
    return this.pools.every((pool) => pool.waiting.length === 0);
  }

  update() {
    const row = this.store.rows.frontends[this.name];
    if (!row) return;
    showState(this.state, row.enabled ? row.state : "disabled");
    say(this.address, row.protocol === "any" ? `${row.address}, all ports` : `${row.protocol} ${row.address.includes(":") ? `[${row.address}]` : row.address}:${row.port}`);
    say(this.description, row.description);
    const marks = [];
    if (row.override) marks.push(orderMark(row.override));
    if (row.held) marks.push([`${row.held} held in service`, "bad", "down, and kept in service because nothing else is left"]);
    if (row.departing) marks.push([`${count(row.departing, "server")} leaving`, "", "left the configuration, and still in VPP"]);
    const announced = this.store.rows.announcements[row.address];
    if (announced) marks.push([announced.state, announced.state === "withdrawn" ? "bad" : "calm", announced.why]);
    showMarks(this.marks, marks);
    row.pools.forEach((pool, index) => this.#updatePool(pool, this.pools[index]));
    this.unwell = this.store.frontendUnwell(row);
    this.element.classList.toggle("bad", row.state === "down" || row.held > 0);
    this.words = `${this.name} ${row.address} ${row.description}`.toLowerCase();
    this.shares();
  }

  #updatePool(pool, shown) {
    if (!shown) return;
    const members = pool.backends.length;
    const back = pool.back_at === null ? "" : `, takes over in ${duration(pool.back_at - this.store.now())}`;
    const text = `${pool.active ? "serves" : "stands by"}, ${pool.in_service} of ${members} in service, needs ${pool.min_up}${back}`;
    const title = shown.element.firstElementChild;
    if (title.dataset.text !== text) {
      title.dataset.text = text;
      title.replaceChildren(make("b", "", pool.name), ` ${text}`);
    }
    shown.element.classList.toggle("standby", !pool.active);
    if (shown.active !== pool.active) {
      shown.active = pool.active;
      for (const row of this.rows) {
        if (row.key.startsWith(`${this.name}/${pool.name}/`)) {
          row.active = pool.active;
          row.update();
        }
      }
    }
  }

  /** Show the shares of new flows, once all rows are there. */
  shares() {
    if (!this.complete) return;
    let sum = 0;
    const seen = new Set();
    for (const row of this.rows) {
      const buckets = this.store.rows.members[row.key]?.[5];
      // A count that is not known makes the sum NaN, and all shares unknown.
      if (!seen.has(row.backend)) sum += buckets ?? NaN;
      seen.add(row.backend);
    }
    for (const row of this.rows) row.share(sum);
  }

  drawTraffic() {
    const series = this.store.traffic.vips[this.name];
    spark(this.traffic.querySelector("path"), series);
    say(this.traffic.lastElementChild, series?.length ? `${rate(series.at(-1))} packets/s` : "");
    this.traffic.classList.toggle("none", !series?.length);
  }

  /** Show what a filter lets through. */
  filter(words, unwell) {
    const self = words.every((word) => this.words.includes(word));
    let any = false;
    for (const row of this.rows) {
      const shown = (self || words.every((word) => row.words?.includes(word) || this.words.includes(word))) && (!unwell || row.unwell);
      row.element.hidden = !shown;
      any ||= shown;
    }
    for (const pool of this.pools) pool.element.hidden = ![...pool.list.children].some((row) => !row.hidden);
    this.element.hidden = !(any || (self && (!unwell || this.unwell)));
  }
}

export class View {
  constructor(store, root) {
    this.store = store;
    this.root = root;
    this.frontends = new Map();
    this.byBackend = new Map();
    this.byKey = new Map();
    this.visible = new Set();
    this.words = [];
    this.unwell = false;
    this.watcher = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        const frontend = this.frontends.get(entry.target.dataset.name);
        if (entry.isIntersecting && frontend) this.visible.add(frontend);
        else this.visible.delete(frontend);
      }
    });
  }

  keep(rows) {
    for (const row of rows) {
      this.byKey.set(row.key, row);
      if (!this.byBackend.has(row.backend)) this.byBackend.set(row.backend, new Set());
      this.byBackend.get(row.backend).add(row);
    }
  }

  drop(rows) {
    for (const row of rows) {
      this.byKey.delete(row.key);
      this.byBackend.get(row.backend)?.delete(row);
    }
  }

  /** Begin to make everything new; `build` goes on with it. */
  rebuild() {
    for (const name of [...this.frontends.keys()]) this.#forget(name);
    this.root.replaceChildren();
    this.#waiting = Object.keys(this.store.rows.frontends);
  }

  #forget(name) {
    const frontend = this.frontends.get(name);
    this.drop(frontend.rows);
    this.visible.delete(frontend);
    this.#unfinished.delete(frontend);
    this.watcher.unobserve(frontend.element);
    frontend.element.remove();
    this.frontends.delete(name);
  }

  #waiting = []; // names of frontends that are not begun
  #unfinished = new Set(); // frontends without all of their rows

  get complete() {
    return this.#waiting.length === 0 && this.#unfinished.size === 0;
  }

  /** Make frontends and rows that are missing: some, and more until a moment (`performance.now()`). */
  build(end) {
    while (!this.complete) {
      const [frontend = this.#next()] = this.#unfinished;
      if (!frontend) return;
      frontend.fill(SOME);
      if (frontend.complete) this.#unfinished.delete(frontend);
      if (this.filtering) this.#filterOne(frontend);
      if (performance.now() >= end) return;
    }
  }

  /** Begin with the next frontend; return it, or nothing if there is none. */
  #next() {
    while (this.#waiting.length) {
      const name = this.#waiting.shift();
      if (!this.store.rows.frontends[name]) continue;
      const frontend = new Frontend(this, name);
      this.frontends.set(name, frontend);
      this.#unfinished.add(frontend);
      this.root.append(frontend.element);
      this.watcher.observe(frontend.element);
      frontend.drawTraffic();
      return frontend;
    }
    return undefined;
  }

  /** Write what changed. */
  update({ touched, shape, traffic }) {
    if (shape) this.#reshape();
    const rows = new Set();
    const frontends = new Set(touched.frontends ?? []);
    const filtered = new Set();
    for (const key of touched.members ?? []) {
      const row = this.byKey.get(key);
      if (row) rows.add(row);
      frontends.add(key.split("/", 1)[0]);
    }
    for (const kind of ["backends", "checks"]) {
      for (const name of touched[kind] ?? []) for (const row of this.byBackend.get(name) ?? []) rows.add(row);
    }
    for (const row of rows) {
      row.update();
      filtered.add(row.key.split("/", 1)[0]);
    }
    if (touched.announcements) for (const name of this.frontends.keys()) frontends.add(name);
    for (const name of frontends) {
      this.frontends.get(name)?.update();
      filtered.add(name);
    }
    if (this.filtering) {
      for (const frontend of [...filtered].map((name) => this.frontends.get(name))) if (frontend) this.#filterOne(frontend);
    }
    if (traffic) this.#drawTraffic();
  }

  /** Bring frontends and their rows in line with what there is now. */
  #reshape() {
    for (const [name, frontend] of this.frontends) {
      const row = this.store.rows.frontends[name];
      if (!row) {
        this.#forget(name);
      } else if (shapeOf(row) !== frontend.shape) {
        frontend.build();
        this.#unfinished.add(frontend);
      }
    }
    this.#waiting = Object.keys(this.store.rows.frontends).filter((name) => !this.frontends.has(name));
  }

  #drawTraffic() {
    for (const frontend of this.frontends.values()) frontend.drawTraffic();
    for (const frontend of this.visible) for (const row of frontend.rows) row.drawTraffic();
  }

  /** Once a second: what gets older. */
  tick() {
    for (const frontend of this.visible) for (const row of frontend.rows) row.tick();
  }

  get filtering() {
    return this.unwell || this.words.length > 0;
  }

  /** Show only what has all words of a text, and only what is not well if that is wanted. */
  filter(text, unwell) {
    this.words = text.toLowerCase().split(/\s+/).filter(Boolean);
    this.unwell = unwell;
    for (const frontend of this.frontends.values()) this.#filterOne(frontend);
  }

  #filterOne(frontend) {
    frontend.filter(this.words, this.unwell);
  }

  /** Count frontends and backends by what they are. */
  summary() {
    const { frontends, backends } = this.store.rows;
    const counts = { up: 0, down: 0, other: 0 };
    for (const row of Object.values(backends)) counts[row.state === "up" ? "up" : row.state === "down" ? "down" : "other"] += 1;
    const broken = Object.values(frontends).filter((row) => row.state === "down").length;
    return { frontends: Object.keys(frontends).length, broken, backends: Object.keys(backends).length, ...counts };
  }
}
