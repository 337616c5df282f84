// What the daemon told: rows by kind and name, traffic, events. Knows nothing of the document.

import { clock } from "./text.js";

const EVENTS = 200;
const SAMPLES = 60;

/** Reasons of weights that the state does not tell. */
const REASONS = {
  held: ["held", "", "its state is not known yet: it keeps the weight that it had"],
  guarded: ["kept in service", "bad", "it is down, and in service because nothing else is left"],
  nolb: ["drains itself", "", "its health page answers 404: it keeps its flows and gets no new ones"],
  "agent-weight": ["less weight", "", "its agent says how much of its weight it gets"],
  "agent-down": ["down by its agent", "bad", "its agent says that it is down"],
  "agent-drain": ["drained by its agent", "", "its agent says: no new flows"],
  "agent-maint": ["maintenance", "", "its agent says that it is being worked on"],
  doubted: ["doubted", "bad", "it is down like many others: the check itself is in doubt"],
};

export class Store {
  constructor() {
    this.boot = "";
    this.last = ""; // the id of the last message
    this.offset = Infinity; // of our clock to the daemon's, in seconds
    this.clear();
  }

  clear() {
    this.rows = { about: {}, frontends: {}, members: {}, backends: {}, checks: {}, seen: {}, announcements: {}, peers: {}, vips: {} };
    this.traffic = { vips: {}, backends: {} };
    this.events = [];
  }

  /** Take a snapshot in place of everything. */
  take(snapshot) {
    this.clear();
    this.boot = snapshot.boot;
    this.offset = Infinity;
    this.keepTime(snapshot.at);
    Object.assign(this.rows, snapshot.rows);
    Object.assign(this.traffic, snapshot.traffic);
    this.events = snapshot.events.slice(-EVENTS);
  }

  /** Take a frame; return the names that changed, by kind, and whether there are new rows or fewer. */
  apply(frame) {
    this.keepTime(frame.at);
    const touched = {};
    let shape = false;
    for (const [kind, rows] of Object.entries(frame.rows ?? {})) {
      const own = (this.rows[kind] ??= {});
      touched[kind] = Object.keys(rows);
      for (const [name, row] of Object.entries(rows)) {
        if (row === null) {
          delete own[name];
          shape = true;
        } else {
          if (kind === "frontends") shape ||= !own[name] || shapeOf(own[name]) !== shapeOf(row);
          own[name] = row;
        }
      }
    }
    if (frame.traffic) this.#sample(frame.traffic);
    if (frame.events) this.events = this.events.concat(frame.events).slice(-EVENTS);
    return { touched, shape, events: frame.events ?? [], traffic: Boolean(frame.traffic) };
  }

  /** The time of the daemon, in seconds since the epoch. */
  now() {
    return Date.now() / 1000 - this.offset;
  }

  keepTime(at) {
    // The smallest difference is that of the message that travelled fastest.
    this.offset = Math.min(this.offset, Date.now() / 1000 - at);
  }

  #sample(traffic) {
    for (const kind of ["vips", "backends"]) {
      const series = this.traffic[kind];
      for (const name of new Set([...Object.keys(series), ...Object.keys(traffic[kind] ?? {})])) {
        (series[name] ??= []).push(traffic[kind]?.[name] ?? 0);
        if (series[name].length > SAMPLES) series[name].shift();
      }
    }
  }

  /** Return what there is to say of a backend in a pool besides its state: [text, kind, title] each. */
  marks(backend, member) {
    const marks = [];
    const row = this.rows.backends[backend];
    if (row?.drain) {
      const flows = row.drain.flows === null ? "" : `, ${row.drain.flows} flows`;
      const { phase: word } = row.drain;
      const phase = word.startsWith("drain") ? word : `drain ${word.replace("-", " ")}`;
      marks.push([phase + flows, "", row.drain.detail]);
    }
    if (row?.override) marks.push(orderMark(row.override));
    if (member) {
      const [weight, file, , , , , reason] = member;
      if (reason in REASONS) marks.push(REASONS[reason]);
      if (weight !== file) marks.push([`file says ${file}`, "", `weight ${weight} was set at run time; the file says ${file}`]);
    }
    return marks;
  }

  /** Whether VPP holds something else than it should. */
  differs(member, active) {
    const [, , , programmed, vpp] = member;
    return active && vpp !== null && vpp !== programmed;
  }

  /** Whether a backend in a pool needs attention. */
  memberUnwell(backend, member, active) {
    const row = this.rows.backends[backend];
    if (!row || !member) return true;
    const check = this.rows.checks[backend];
    return row.state !== "up" || Boolean(row.override || row.drain) || member[0] !== member[1]
      || Boolean(check && !check[0]) || this.differs(member, active);
  }

  /** Whether a frontend itself needs attention. */
  frontendUnwell(frontend) {
    return frontend.state !== "up" || !frontend.enabled || frontend.held > 0 || Boolean(frontend.override)
      || frontend.departing > 0 || frontend.pools.some((pool) => pool.back_at !== null);
  }
}

/** Return the mark of an order. */
export function orderMark(order) {
  const until = order.until ? ` until ${clock(order.until)}` : "";
  const why = order.reason ? `: ${order.reason}` : "";
  return [`${order.value} by ${order.who}${until}`, "", `${order.value} by ${order.who}${why}; the file says ${order.file}`];
}

/** Return the pools and backends of a frontend as text: what makes its rows. */
export function shapeOf(frontend) {
  return JSON.stringify(frontend.pools.map((pool) => [pool.name, pool.backends]));
}
