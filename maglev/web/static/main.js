// The live page: everything comes together here.

import { Api } from "./api.js";
import { Details } from "./details.js";
import { Events } from "./events.js";
import { make, say } from "./parts.js";
import { Peers } from "./peers.js";
import { Store } from "./store.js";
import { Stream } from "./stream.js";
import { clock, count, duration } from "./text.js";
import { View } from "./view.js";

const at = (id) => document.getElementById(id);
const api = new Api();
const store = new Store();
const view = new View(store, at("frontends"));
const events = new Events(at("events"));
const peers = new Peers(store, at("peers"), at("alarm"));
const details = new Details(at("details"), api, (shown) => keepAddress(shown));

// The address of the page has the filter, and what is open: it can be kept and passed on.

function keepAddress(shown = details.shown) {
  const query = new URLSearchParams();
  if (at("search").value) query.set("q", at("search").value);
  if (at("unwell").checked) query.set("only", "unwell");
  if (shown) query.set(...shown);
  const text = query.toString();
  history.replaceState(null, "", text ? `/?${text}` : "/");
}

function readAddress() {
  const query = new URLSearchParams(location.search);
  at("search").value = query.get("q") ?? "";
  at("unwell").checked = query.get("only") === "unwell";
  for (const kind of ["backend", "frontend", "configuration"]) if (query.get(kind)) details.open(kind, query.get(kind));
}

function filter() {
  view.filter(at("search").value, at("unwell").checked);
  summarize();
}

// What is above the frontends

function summarize() {
  const sums = view.summary();
  const parts = [count(sums.frontends, "frontend")];
  if (sums.broken) parts.push(make("b", "", `${sums.broken} down`));
  parts.push(count(sums.backends, "backend"), `${sums.up} up`);
  if (sums.down) parts.push(make("b", "", `${sums.down} down`));
  if (sums.other) parts.push(`${sums.other} other`);
  const place = at("summary");
  const key = parts.map((part) => part.textContent ?? part).join("|");
  if (place.dataset.key !== key) {
    place.dataset.key = key;
    place.replaceChildren(...parts.flatMap((part, index) => (index ? [" · ", part] : [part])));
  }
  document.title = `${document.body.classList.contains("stale") ? "stale: " : ""}${sums.down || sums.broken ? `(${sums.down}) ` : ""}${store.rows.about.daemon?.host ?? "maglevd"}`;
}

function about() {
  const { daemon, vpp, checker } = store.rows.about;
  if (daemon) {
    say(at("host"), daemon.host);
    at("host").title = `maglevd ${daemon.version}`;
  }
  if (vpp) {
    say(at("vpp"), vpp.state === "connected" ? `VPP ${vpp.version.replace(/^v/, "")}` : vpp.state === "off" ? "VPP is switched off" : "VPP is not connected");
    at("vpp").classList.toggle("bad", vpp.state === "lost");
    at("vpp").title = vpp.why ?? "";
  }
  const doubts = checker?.blind ?? [];
  const blind = doubts.map((each) => `${each.scope} ${each.name}`.trim()).join(", ");
  const lost = checker?.without_evidence ?? 0;
  say(at("checker"), blind ? `checks in doubt: ${blind}` : lost ? `${count(lost, "backend")} without results` : "");
  at("checker").classList.toggle("bad", Boolean(blind || lost));
}

function who() {
  const place = at("who");
  if (!api.name) {
    place.replaceChildren("read only");
    place.title = "type web login in the console, or in maglevc, to act";
    return;
  }
  const out = make("button", "plain", "Log out");
  out.type = "button";
  out.addEventListener("click", async () => {
    await api.post("/api/logout", {});
    location.assign("/");
  });
  const file = make("button", "plain", "Configuration");
  file.type = "button";
  file.addEventListener("click", () => details.open("configuration", "file"));
  place.replaceChildren(file, `${api.name}, ${api.role}`, out);
}

/** Say whether what is shown is what is so now; the age is that of the last word from maglevd, in seconds. */
function linkState(word, text, age) {
  const place = at("link");
  say(place.firstElementChild, text);
  // The seconds are not read out: a new number each time would be.
  say(place.lastElementChild, word === "silent" ? ` for ${duration(age)}` : "");
  if (place.dataset.word === word) return;
  place.dataset.word = word;
  place.className = `fact link ${word}`;
  document.body.classList.toggle("stale", word !== "live" && Boolean(store.boot));
  const old = Boolean(store.boot) && (word === "silent" || word === "bad");
  at("stale").hidden = !old;
  if (old) say(at("stale"), `Nothing has come from maglevd since ${clock(new Date(Date.now() - 1000 * age))}: what is shown may be wrong by now.`);
  summarize();
  if (word === "out") notice("This page needs a session. Type: web login, in the console or in maglevc, and open the link that it prints.");
}

function notice(text) {
  at("frontends").replaceChildren(make("p", "notice", text));
}

// All work is done here, once for each frame of the screen: messages, however many have come, and then rows that are
// still missing, as long as there is time. The browser needs as much again to lay out and paint what was made.

const TIME = 8; // ms

let waiting = [];
let asked = false;
let unshown = false; // whether there are events of a snapshot to show

function soon() {
  if (asked) return;
  asked = true;
  if (document.hidden) setTimeout(work, 200);
  else requestAnimationFrame(work);
}

function work() {
  asked = false;
  const end = performance.now() + TIME;
  if (waiting.length) applyAll();
  if (unshown && (view.frontends.size || view.complete)) {
    events.show(store.events);
    unshown = false;
  } else {
    view.build(end);
  }
  if (unshown || !view.complete) soon();
}

/** Apply all messages that have come: what several of them changed is written once. */
function applyAll() {
  const changes = waiting.map((frame) => store.apply(frame));
  waiting = [];
  const touched = {};
  for (const change of changes) {
    for (const [kind, names] of Object.entries(change.touched)) {
      touched[kind] ??= new Set();
      for (const name of names) touched[kind].add(name);
    }
  }
  const any = (what) => changes.some((change) => change[what]);
  view.update({ touched, shape: any("shape"), traffic: any("traffic") });
  if (touched.about) about();
  if (touched.peers || touched.vips) peers.update();
  const news = changes.flatMap((change) => change.events);
  if (news.length) {
    if (!unshown) events.add(news);
    measure(news);
  }
  summarize();
  details.refreshSoon();
}

/** Note how old the newest event was when it was shown, for measurements. */
function measure(shown) {
  const newest = shown.findLast((event) => event.at)?.at;
  if (newest) document.documentElement.dataset.delay = String(Math.round(Date.now() - new Date(newest).getTime()));
}

const stream = new Stream(store, {
  snapshot(data) {
    waiting = [];
    unshown = true;
    store.take(data);
    view.rebuild();
    filter();
    about();
    peers.update();
    document.documentElement.dataset.boot = data.boot;
    soon();
  },
  frame(data) {
    waiting.push(data);
    soon();
  },
  state: linkState,
});

async function logIn() {
  const secret = location.hash.slice(1);
  history.replaceState(null, "", "/");
  if (!secret) return;
  const answer = await api.post("/api/login", { secret });
  if (answer.error) {
    const over = make("p", "notice over", answer.error);
    over.setAttribute("role", "alert");
    document.querySelector(".top").after(over);
  }
}

document.addEventListener("click", (event) => {
  const { backend, frontend } = event.target.dataset;
  if (backend !== undefined) details.open("backend", backend);
  else if (frontend !== undefined) details.open("frontend", frontend);
});
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) {
    event.preventDefault();
    at("search").focus();
  }
});
at("search").addEventListener("input", () => { filter(); keepAddress(); });
at("unwell").addEventListener("change", () => { filter(); keepAddress(); });
setInterval(() => { if (!document.hidden) view.tick(); }, 1000);

if (location.pathname === "/login") await logIn();
await api.who();
who();
readAddress();
stream.open();
