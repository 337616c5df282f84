// Drives a Chromium for tests: each line of the standard input is a JSON text, the body of an async function of
// (browser, page, state, axe); its result comes back as a line, {"ok": ...} or {"error": ...}. The arguments are
// the folder of the packages, and the path of Chromium.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [folder, executablePath] = process.argv.slice(2);
const require = createRequire(`${folder}/package.json`);
const { chromium } = require("playwright-core");
const axe = require("axe-core").source;
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--font-render-hinting=none"] });
const state = { problems: [] };

state.open = async (options = {}) => {
  const context = await browser.newContext({ viewport: { width: 1360, height: 850 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(120000); // the machine may be busy
  page.on("console", (message) => { if (message.type() === "error") state.problems.push(message.text()); });
  page.on("pageerror", (error) => state.problems.push(String(error)));
  state.page = page;
  return page;
};

const AsyncFunction = (async () => {}).constructor;
for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = { ok: (await new AsyncFunction("browser", "page", "state", "axe", JSON.parse(line))(browser, state.page, state, axe)) ?? null };
  } catch (error) {
    answer = { error: String(error.stack ?? error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
