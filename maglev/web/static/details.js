// The window with everything about a backend or a frontend: why it is as it is, and orders for it.

import { make } from "./parts.js";
import { orderMark } from "./store.js";
import { clock, count, duration, local } from "./text.js";

const LASTS = [["until it is undone", 0], ["15 minutes", 900], ["1 hour", 3600], ["4 hours", 14400], ["1 day", 86400], ["1 week", 604800]];

/** A box to tick in the form of an order: the argument, and what it means. */
const THEN_DISABLE = { tick: ["disable", "then disable"] };
const AT_ONCE = { tick: ["now", "servers that left the file leave VPP at once"], lasts: false };

const DISABLE = ["Disable", "disable_backend", true];
const OUT = [["Drain", "drain_backend", true], ["Pause", "pause_backend", true], DISABLE];

/** The orders for a backend in a state: [label, verb, whether it takes it out of service]. */
const ORDERS = {
  up: OUT,
  down: OUT,
  unknown: OUT,
  draining: [["Put back", "enable_backend", false], DISABLE],
  paused: [["Resume", "resume_backend", false], DISABLE],
  disabled: [["Enable", "enable_backend", false]],
};

export class Details {
  constructor(dialog, api, changed) {
    this.dialog = dialog;
    this.api = api;
    this.changed = changed; // called with what is shown: ["backend", name], or null
    this.shown = null;
    this.said = ""; // what was wrong with the last order, though it was carried out
    this.title = dialog.querySelector("h2");
    this.body = dialog.querySelector("#details-body");
    dialog.querySelector("#details-close").addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => { this.shown = null; this.changed(null); });
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  }

  async open(kind, name) {
    this.shown = [kind, name];
    this.said = "";
    this.changed(this.shown);
    if (!this.dialog.open) {
      this.title.textContent = name;
      this.body.replaceChildren(make("p", "", "…"));
      this.dialog.showModal();
    }
    await this.refresh();
  }

  /** Refresh, at most once in a while; but for the file, which is work to compare. */
  refreshSoon() {
    if (!this.shown || this.shown[0] === "configuration" || this.waiting) return;
    this.waiting = setTimeout(() => { this.waiting = 0; this.refresh(); }, 1000);
  }

  /** Show what is shown as it is now. A form that is being filled in stays. */
  async refresh() {
    const shown = this.shown;
    if (!shown || this.body.querySelector("form")) return;
    const [kind, name] = shown;
    const answer = await this.api.get(`/api/${kind}?name=${encodeURIComponent(name)}`);
    if (this.shown !== shown || this.body.querySelector("form")) return;
    if (answer.error) this.body.replaceChildren(make("p", "fault", answer.error));
    else if (kind === "backend") this.#backend(answer.view, answer.why);
    else if (kind === "frontend") this.#frontend(answer.view, answer.why);
    else this.#configuration(answer.view);
    if (this.said) this.body.prepend(fault(this.said));
  }

  #backend(view, why) {
    this.title.textContent = view.name;
    const facts = [["state", `${view.state}, ${view.address}`], ["check", view.healthcheck ?? "none: it is static"]];
    if (view.checks.length) facts[1] = ["checks", `${view.health.value} of ${view.checks.length} up, ${view.health.rise} required`];
    for (const { healthcheck, state, last_result: last } of view.checks) {
      const result = last ? `, ${last.code}${last.detail ? ` ${last.detail}` : ""}, ${duration(last.age)} ago` : "";
      facts.push([`check ${healthcheck}`, `${state}${result}`]);
    }
    if (view.last_result) {
      const { code, detail, duration: took, age } = view.last_result;
      facts.push(["last check", `${code}${detail ? `, ${detail}` : ""}; took ${(took * 1000).toFixed(1)} ms, ${duration(age)} ago`]);
    }
    if (view.override) facts.push(["order", `${orderMark(view.override)[0]}${view.override.reason ? `: ${view.override.reason}` : ""}`]);
    const parts = [steps(facts), this.#orders(view)];
    for (const each of why.frontends) {
      parts.push(make("h3", "", `In ${each.frontend}: ${each.effective_weight}, ${each.reason}`));
      const last = each.changed;
      const changed = last ? [["changed", `${clock(last.at)}, ${last.from} → ${last.to}: ${last.text}`]] : [];
      parts.push(steps([...explained(each), ...changed]));
      parts.push(this.#weight(view, each));
    }
    parts.push(make("h3", "", "Health"), steps(explained(why)));
    parts.push(make("h3", "", "History"));
    parts.push(steps(view.transitions.map((each) => [clock(each.at), `${each.from} → ${each.to}, ${each.code}${each.detail ? ` ${each.detail}` : ""}`])));
    parts.push(...this.#host(view));
    this.body.replaceChildren(...parts);
  }

  /** Return the orders for all backends of the address of one. */
  #host({ address }) {
    const orders = this.#place();
    if (!orders) return [];
    for (const [label, order, more] of [["Drain host", "drain", THEN_DISABLE], ["Disable host", "disable", {}], ["Enable host", "enable", { lasts: false }]]) {
      this.#button(orders, [label, "set_host", true], { address, order }, `${address} with all its backends`, more);
    }
    return [make("h3", "", `All backends of ${address}`), orders];
  }

  #configuration(view) {
    this.title.textContent = "Configuration";
    const verdict = !view.ok ? "The file is not valid. The running configuration stays in force."
      : view.rows.length ? "The file is valid. A reload would change:" : "The file is valid, and in force: a reload would change nothing.";
    const parts = [make("p", view.ok ? "" : "fault", verdict)];
    parts.push(steps(view.problems.map((each) => [each.kind, `${each.line ? `line ${each.line}: ` : ""}${each.path ? `${each.path}: ` : ""}${each.text}`])));
    for (const each of view.rows) {
      parts.push(make("h3", "", `${each.kind} ${each.name}: ${each.change}`));
      parts.push(make("ul", "", ...[...each.details, ...each.vips.map(vipChange)].map((text) => make("li", "", text))));
    }
    if (view.next !== null) parts.push(make("p", "address", "There is more: config diff, in the console, has everything."));
    const orders = this.#place() ?? make("div", "orders");
    const again = make("button", "", "Check again");
    again.type = "button";
    again.addEventListener("click", () => { this.said = ""; this.body.replaceChildren(make("p", "", "…")); this.refresh(); });
    orders.append(again);
    if (view.ok && this.#place()) this.#button(orders, ["Reload", "reload_config", true], {}, "the file", AT_ONCE);
    this.body.replaceChildren(...parts, orders);
  }

  #frontend(view, why) {
    this.title.textContent = view.name;
    const parts = [steps([
      ["state", `${view.enabled ? view.state : "disabled"}, ${view.protocol} ${view.address}${view.port ? ` port ${view.port}` : ""}`],
      ["flows", `${view.src_ip_sticky ? "those of a client stay on one backend" : "each on its own"}; ${view.flush_on_down ? "forgotten" : "kept"} when a backend goes down`],
      ["weights", view.weights],
    ])];
    const orders = this.#place();
    if (orders) {
      const out = view.enabled ? ["Disable", "disable_frontend", true] : ["Enable", "enable_frontend", false];
      this.#button(orders, out, { name: view.name }, view.name);
      this.#button(orders, ["Read VPP back and repair", "sync_vpp", false], { frontend: view.name }, view.name);
      parts.push(orders);
    }
    parts.push(make("h3", "", "Why"), steps(explained(why)));
    for (const each of why.backends) {
      parts.push(make("h3", "", `${each.backend}: ${each.effective_weight}, ${each.reason}`));
      parts.push(steps(explained(each)));
    }
    this.body.replaceChildren(...parts);
  }

  #orders(view) {
    const orders = this.#place();
    if (!orders) return make("p", "address", this.api.role === "operator" ? "" : "To change something: web login in the console, as an operator.");
    for (const order of ORDERS[view.state] ?? []) {
      this.#button(orders, order, { name: view.name }, view.name, order[1] === "drain_backend" ? THEN_DISABLE : {});
    }
    if (view.override) this.#button(orders, ["Do as the file says", "clear_override", false], { backend: view.name }, view.name);
    return orders;
  }

  #weight(view, why) {
    const orders = this.#place();
    if (!orders) return "";
    const pools = why.steps.filter((step) => step.step === "pool").map((step) => step.text.split(",", 1)[0]);
    for (const pool of pools) {
      const target = { frontend: why.frontend, pool, backend: view.name };
      this.#button(orders, [`Weight in ${pool}`, "set_weight", true], target, `${view.name} in ${why.frontend}`, { weight: true });
    }
    return orders;
  }

  /** Return a place for buttons; null for those who may not give orders. */
  #place() {
    return this.api.role === "operator" && this.api.name ? make("div", "orders") : null;
  }

  #button(place, [label, verb, asks], target, about, more = {}) {
    const button = make("button", "", label);
    button.type = "button";
    button.addEventListener("click", () => {
      if (asks) this.#ask(place, label, verb, target, about, more);
      else this.#send(place, verb, target);
    });
    place.append(button);
  }

  #ask(place, label, verb, target, about, { weight = false, lasts = true, tick = null }) {
    const form = make("form", "orders");
    const field = (text, input, cls = "") => { form.append(make("label", cls, text, input)); return input; };
    const number = weight ? field("New weight", input("number", { min: 0, max: 100, required: true })) : null;
    const reason = field(`Reason: ${label.toLowerCase()} ${about}`, input("text", { maxLength: 120, required: true, autocomplete: "off" }), "wide");
    const span = lasts ? field("For", select(LASTS)) : null;
    const box = tick ? input("checkbox", {}) : null;
    if (box) form.append(make("label", "tick", box, tick[1]));
    const send = make("button", "strong", label);
    send.type = "submit";
    const cancel = make("button", "plain", "Cancel");
    cancel.type = "button";
    cancel.addEventListener("click", () => { form.remove(); place.hidden = false; this.refresh(); });
    const acts = make("div", "acts", send, cancel);
    form.append(acts);
    let force = null;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const order = { ...target, reason: reason.value };
      if (span) order.duration = Number(span.value);
      if (number) order.weight = Number(number.value);
      if (box?.checked) order[tick[0]] = true;
      if (force?.checked) order.force = true;
      const refused = await this.#send(form, verb, order, place);
      if (!force && refused?.includes("add force")) {
        force = input("checkbox", {});
        acts.before(make("label", "tick", force, "force: even if nothing is left in service"));
      }
    });
    place.hidden = true;
    place.after(form);
    (number ?? reason).focus();
  }

  /** Send an order; return why it was refused, or null. */
  async #send(place, verb, order, hidden) {
    const buttons = place.querySelectorAll("button");
    for (const button of buttons) button.disabled = true;
    const answer = await this.api.post("/api/order", { verb, arguments: order });
    for (const button of buttons) button.disabled = false;
    place.querySelector(".fault")?.remove();
    if (answer.error) {
      place.append(fault(answer.error));
      return answer.error;
    }
    this.said = objections(answer.view);
    if (hidden) { place.remove(); hidden.hidden = false; }
    await this.refresh();
    this.dialog.querySelector("#details-close").focus();
    return null;
  }
}

/** Return what was wrong with an order that was carried out, in words; empty if nothing was. */
function objections(view) {
  const results = view?.results ?? [];
  return [
    view?.not_kept,
    view?.ok === false ? "The file was refused: the running configuration stays in force." : "",
    ...results.map((each) => (each.refused ? `${each.backend}: ${each.refused}` : each.change.not_kept)),
  ].filter(Boolean).join("\n");
}

function fault(text) {
  const element = make("p", "fault", text);
  element.setAttribute("role", "alert");
  return element;
}

/** Return what a reload does to a VIP, in words. */
function vipChange(vip) {
  const place = `VIP ${vip.prefix.replace(/\/(32|128)$/, "")} ${vip.protocol}${vip.port ? ` ${vip.port}` : ""}`;
  const moved = vip.moved ? `; ${(100 * vip.moved).toFixed(1)}% of its new flows move` : "";
  return `${place}: ${vip.action}, ${count(vip.operation_count, "operation")}${moved}${vip.reasons.length ? `: ${vip.reasons.join(", ")}` : ""}`;
}

function input(type, more) {
  return Object.assign(document.createElement("input"), { type, ...more });
}

function select(choices) {
  const made = document.createElement("select");
  made.append(...choices.map(([text, value]) => new Option(text, value)));
  return made;
}

/** Return the steps of a decision as terms and texts. */
function explained(decision) {
  return decision.steps.map((step) => [step.step, step.text]);
}

function steps(pairs) {
  const list = make("dl", "steps");
  for (const [term, text] of pairs) list.append(make("dt", "", term), make("dd", "", local(text)));
  return list;
}
