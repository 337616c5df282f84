// Other balancers: who agrees, an alarm when one does not, and what each has for the same VIP, side by side.

import { make, say } from "./parts.js";
import { count } from "./text.js";

const WORDS = { "cannot-confirm": "cannot confirm", "nothing-shared": "shares no VIP", itself: "this balancer" };

export class Peers {
  constructor(store, place, alarm) {
    this.store = store;
    this.place = place;
    this.alarm = alarm;
    [this.list, this.sides] = [place.querySelector("ul"), place.querySelector("details")];
    this.tables = this.sides.querySelector("div");
    this.sides.addEventListener("toggle", () => this.#tabulate());
  }

  update() {
    const peers = Object.entries(this.store.rows.peers);
    this.place.hidden = !peers.length;
    this.list.replaceChildren(...peers.map(([name, peer]) => {
      const what = peer.state === "differs" ? count(peer.differences, "difference") : peer.why;
      const bad = ["differs", "cannot-confirm", "nothing-shared"].includes(peer.state);
      const word = make("b", bad ? "bad" : "", WORDS[peer.state] ?? peer.state);
      const vpp = peer.vpp && peer.vpp !== "connected" && peer.vpp !== "off" ? "; its VPP is lost" : "";
      return make("li", "", `${name}: `, word, `${what ? ` (${what})` : ""}${vpp}`);
    }));
    this.#warn(peers);
    this.#tabulate();
  }

  /** Say in one line what is wrong; a line that stays the same is not read out again. */
  #warn(peers) {
    const silent = peers.filter(([, peer]) => peer.state === "cannot-confirm").map(([name]) => name);
    const wrong = Object.values(this.store.rows.vips).filter((vip) => vip.differences.length);
    const parts = wrong.slice(0, 5).map((vip) => `${vip.frontend}: ${vip.differences.slice(0, 3).join("; ")}`);
    if (wrong.length > 5) parts.push(`and ${count(wrong.length - 5, "more frontend")}`);
    if (silent.length) parts.push(`${silent.join(", ")} can't be confirmed`);
    const alone = peers.filter(([, peer]) => peer.state === "nothing-shared").map(([name]) => name);
    if (alone.length) parts.push(`${alone.join(", ")}: no VIP in common`);
    const text = (wrong.length ? "Balancers disagree: " : "") + parts.join(" · ");
    this.alarm.hidden = !text;
    say(this.alarm, text);
  }

  #tabulate() {
    if (!this.sides.open) return;
    const vips = Object.entries(this.store.rows.vips);
    vips.sort(([, a], [, b]) => b.differences.length - a.differences.length);
    this.tables.replaceChildren(...vips.slice(0, 100).map(([key, vip]) => table(key, vip)));
    if (!vips.length) this.tables.append(make("p", "", "No VIP is served by two of them."));
    if (vips.length > 100) this.tables.append(make("p", "", `And ${vips.length - 100} more: maglevc show peers | json`));
  }
}

function table(key, vip) {
  const names = vip.sides.map((side) => side.peer || "here");
  const addresses = [...new Set(vip.sides.flatMap((side) => Object.keys(side.servers)))];
  const cells = (tag, cls, texts) => texts.map((text) => make(tag, cls, text));
  const head = make("tr", "", ...cells("th", "", [`${vip.frontend} ${key}`, ...names]));
  const states = make("tr", differing(vip.sides.map((side) => side.state)), make("th", "", "state"), ...cells("td", "", vip.sides.map((side) => side.state)));
  const rows = addresses.map((address) => {
    const servers = vip.sides.map((side) => side.servers[address]);
    const name = servers.find(Boolean)[0];
    const texts = servers.map((server) => (server ? `${server[1]} ${server[2]} → ${server[3]}` : "missing"));
    return make("tr", differing(texts), make("th", "", `${name} ${address}`), ...cells("td", "", texts));
  });
  for (const each of head.children) each.scope = "col";
  for (const row of [states, ...rows]) row.firstElementChild.scope = "row";
  const scrolled = make("div", "sides", make("table", "", make("caption", "unseen", `${vip.frontend} at ${names.join(", ")}: state, weight, weight now`), head, states, ...rows));
  scrolled.tabIndex = 0;
  scrolled.setAttribute("role", "group");
  scrolled.setAttribute("aria-label", vip.frontend);
  return scrolled;
}

function differing(texts) {
  return new Set(texts).size > 1 ? "differs" : "";
}
