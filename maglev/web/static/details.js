// The window with everything about a backend or a frontend: why it is as it is, and orders for it.

import { make } from "./parts.js";
import { orderMark } from "./store.js";
import { clock, duration, local } from "./text.js";

const LASTS = [["until it is undone", 0], ["15 minutes", 900], ["1 hour", 3600], ["4 hours", 14400], ["1 day", 86400], ["1 week", 604800]];

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
    this.title = dialog.querySelector("h2");
    this.body = dialog.querySelector("#details-body");
    dialog.querySelector("#details-close").addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => { this.shown = null; this.changed(null); });
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  }

  async open(kind, name) {
    this.shown = [kind, name];
    this.changed(this.shown);
    if (!this.dialog.open) {
      this.title.textContent = name;
      this.body.replaceChildren(make("p", "", "…"));
      this.dialog.showModal();
    }
    await this.refresh();
  }

  /** Refresh, at most once in a while. */
  refreshSoon() {
    if (!this.shown || this.waiting) return;
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
    else this.#frontend(answer.view, answer.why);
  }

  #backend(view, why) {
    this.title.textContent = view.name;
    const facts = [["state", `${view.state}, ${view.address}`], ["check", view.healthcheck ?? "none: it is static"]];
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
    this.body.replaceChildren(...parts);
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
    for (const order of ORDERS[view.state] ?? []) this.#button(orders, order, { name: view.name }, view.name);
    if (view.override) this.#button(orders, ["Do as the file says", "clear_override", false], { backend: view.name }, view.name);
    return orders;
  }

  #weight(view, why) {
    const orders = this.#place();
    if (!orders) return "";
    const pools = why.steps.filter((step) => step.step === "pool").map((step) => step.text.split(",", 1)[0]);
    for (const pool of pools) {
      const target = { frontend: why.frontend, pool, backend: view.name };
      this.#button(orders, [`Weight in ${pool}`, "set_weight", true], target, `${view.name} in ${why.frontend}`, true);
    }
    return orders;
  }

  /** Return a place for buttons; null for those who may not give orders. */
  #place() {
    return this.api.role === "operator" && this.api.name ? make("div", "orders") : null;
  }

  #button(place, [label, verb, asks], target, about, weight = false) {
    const button = make("button", "", label);
    button.type = "button";
    button.addEventListener("click", () => {
      if (asks) this.#ask(place, label, verb, target, about, weight);
      else this.#send(place, verb, target);
    });
    place.append(button);
  }

  #ask(place, label, verb, target, about, weight) {
    const form = make("form", "orders");
    const field = (text, input, cls = "") => { form.append(make("label", cls, text, input)); return input; };
    const number = weight ? field("New weight", input("number", { min: 0, max: 100, required: true })) : null;
    const reason = field(`Reason: ${label.toLowerCase()} ${about}`, input("text", { maxLength: 120, required: true, autocomplete: "off" }), "wide");
    const lasts = field("For", select(LASTS));
    const then = verb === "drain_backend" ? input("checkbox", {}) : null;
    if (then) form.append(make("label", "tick", then, "then disable"));
    const send = make("button", "strong", label);
    send.type = "submit";
    const cancel = make("button", "plain", "Cancel");
    cancel.type = "button";
    cancel.addEventListener("click", () => { form.remove(); place.hidden = false; this.refresh(); });
    form.append(make("div", "acts", send, cancel));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const order = { ...target, reason: reason.value, duration: Number(lasts.value) };
      if (number) order.weight = Number(number.value);
      if (then?.checked) order.disable = true;
      this.#send(form, verb, order, place);
    });
    place.hidden = true;
    place.after(form);
    (number ?? reason).focus();
  }

  async #send(place, verb, order, hidden) {
    const buttons = place.querySelectorAll("button");
    for (const button of buttons) button.disabled = true;
    const answer = await this.api.post("/api/order", { verb, arguments: order });
    for (const button of buttons) button.disabled = false;
    place.querySelector(".fault")?.remove();
    const problem = answer.error ?? answer.view?.not_kept;
    if (problem) {
      const fault = make("p", "fault", problem);
      fault.setAttribute("role", "alert");
      place.append(fault);
      if (answer.error) return;
    }
    if (hidden) { place.remove(); hidden.hidden = false; }
    await this.refresh();
    this.dialog.querySelector("#details-close").focus();
  }
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
