// Events in words, the newest first.

import { make } from "./parts.js";
import { clock, count, local } from "./text.js";

const SHOWN = 100;
const FEW = 3;

/** Return what happened to the addresses of a name, in the words of `watch events`. */
function nameDetails({ added, left, refused, waiting, detail }) {
  const lists = { added, left, refused, "no room for": waiting };
  const told = Object.entries(lists).filter(([, some]) => some.length).map(([word, some]) => `${word}: ${some.join(", ")}`);
  return detail ? [...told, detail] : told;
}

/** Return an event in words: [what is it about, what happened, more of it]; null if it is not worth a line. */
function words(event) {
  const by = event.who ? `by ${event.who}${event.reason ? `: ${event.reason}` : ""}` : event.reason || "";
  switch (event.type) {
    case "backend":
      if (event.code === "start") return null;
      return [event.backend, `${event.from} → ${event.to}`, [event.code, event.detail].filter(Boolean).join(" ")];
    case "check":
      return [event.backend, `check ${event.healthcheck} ${event.from} → ${event.to}`, [event.code, event.detail].filter(Boolean).join(" ")];
    case "agent":
      return [event.backend, `agent ${event.before} → ${event.now}`, [event.code, event.detail].filter(Boolean).join(" ")];
    case "frontend":
      return [event.frontend, `${event.from} → ${event.to}`, ""];
    case "override":
      if (event.action === "set" && event.object.startsWith("weight of")) return null; // there is an event "weight", too
      return [event.object, `${event.value} ${event.action}`, by];
    case "weight":
      return [`${event.backend} in ${event.frontend}`, `weight ${event.from} → ${event.to}`, by];
    case "drain":
      if (event.phase === "draining" && event.flows === null) return null; // it begins: the state says so
      return [event.backend, event.phase, [event.flows === null ? "" : count(event.flows, "flow"), event.detail].filter(Boolean).join(", ")];
    case "guard":
      return [event.frontend, event.kept.length ? "keeps in service" : "no longer keeps", [...event.kept, ...event.released].join(", ")];
    case "blindness":
      return [`${event.scope} ${event.name}`.trim(), event.blind ? "is doubted" : "is trusted again", event.why];
    case "announcement":
      return [event.address, `${event.from} → ${event.to}`, event.why];
    case "sink":
      return [event.sink, event.problem ? "fails" : "works again", event.problem];
    case "peer":
      return [`peer ${event.peer}`, event.state, event.detail];
    case "name":
      return [`name ${event.name}`, event.action, nameDetails(event).join("; ")];
    case "reload":
      return ["configuration", event.applied ? `generation ${event.generation} in force` : `refused, ${count(event.problems, "problem")}`, by];
    case "audit":
      return event.result.startsWith("refused") ? [event.object, `${event.action} ${event.result}`, by] : null;
    case "gap":
      return ["", count(event.missed, "event") + " left out", ""];
    default:
      return [event.type, "", ""];
  }
}

function line(event) {
  const found = words(event);
  if (!found) return null;
  const [about, what, more] = found;
  const text = make("span", "", make("b", "", about), ` ${what}`);
  if (more) text.append(make("small", "", local(more)));
  const time = make("time", "", event.at ? clock(event.at) : "");
  if (event.at) time.dateTime = event.at;
  return make("li", "", time, text);
}

export class Events {
  constructor(list) {
    this.list = list;
  }

  /** Show these, the oldest first. */
  show(events) {
    this.list.replaceChildren(...events.map(line).filter(Boolean).reverse().slice(0, SHOWN));
  }

  /** Put these on top. */
  add(events) {
    const lines = events.slice(-SHOWN).map(line).filter(Boolean).reverse();
    // A few stand out; where many come, all would, and the browser would do nothing else.
    if (lines.length <= FEW) for (const item of lines) item.classList.add("flash");
    this.list.prepend(...lines);
    while (this.list.childElementCount > SHOWN) this.list.lastElementChild.remove();
  }
}
