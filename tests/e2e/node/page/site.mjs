// The page in a browser, watched: whatever it asks of other hosts, every script that should not run, every violation of
// its policy and every error is remembered, and fails the scenario at its end.
import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const kVhost = "/";

export class Site {
  constructor(browser, address) {
    this.browser = browser;
    this.address = address;
    this.troubles = [];
    this.expectedStatus = new Set();
    this.pages = [];
  }

  async open(options = {}) {
    const context = await this.browser.newContext({ viewport: { width: 1200, height: 900 }, ...options });
    context.setDefaultTimeout(10_000);
    const page = await context.newPage();
    this.pages.push(page);
    page.on("pageerror", (error) => this.troubles.push(`error in the page: ${error.stack}`));
    page.on("dialog", (dialog) => {
      this.troubles.push(`a script opened a dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on("request", (request) => {
      const url = request.url();
      if (!url.startsWith(`${this.address}/`) && !/^(data|blob):/.test(url)) this.troubles.push(`asked for ${url}`);
    });
    page.on("console", (message) => {
      if (message.type() !== "error") return;
      const status = /status of (\d+)/.exec(message.text())?.[1];
      if (status === undefined || !this.expectedStatus.has(Number(status))) this.troubles.push(`console: ${message.text()}`);
    });
    await page.addInitScript(() => {
      window.violations = [];
      window.hacked = 0;
      document.addEventListener("securitypolicyviolation", (event) =>
        window.violations.push(`${event.violatedDirective} ${event.blockedURI}`),
      );
    });
    await page.goto(`${this.address}/`);
    return page;
  }

  async logIn(options = {}, user = "guest", password = user) {
    const page = await this.open(options);
    await page.getByLabel("User").fill(user);
    await page.getByLabel("Password").fill(password);
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("heading", { name: "Overview" }).waitFor();
    return page;
  }

  async go(page, ...parts) {
    await page.goto(`${this.address}/#/${parts.map(encodeURIComponent).join("/")}`);
    await page.locator("main h1").waitFor();
  }

  // Asks the API beside the page.
  async api(method, path, body, user = "guest") {
    const response = await fetch(`${this.address}/api/${path}`, {
      method,
      headers: { Authorization: `Basic ${Buffer.from(`${user}:${user}`).toString("base64")}` },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
    return text === "" ? null : JSON.parse(text);
  }

  path(...names) {
    return names.map(encodeURIComponent).join("/");
  }

  queue(name, more = {}, vhost = kVhost) {
    return this.api("PUT", `queues/${this.path(vhost, name)}`, more);
  }

  publish(queue, payload, properties = { delivery_mode: 2 }) {
    return this.api("POST", `exchanges/${this.path(kVhost, "amq.default")}/publish`, {
      routing_key: queue,
      payload,
      payload_encoding: "string",
      properties,
    });
  }

  get(queue, ackmode = "ack_requeue_true", count = 100) {
    return this.api("POST", `queues/${this.path(kVhost, queue)}/get`, { count, ackmode, encoding: "auto" });
  }

  async expectClean() {
    for (const page of this.pages) {
      this.troubles.push(...(await page.evaluate(() => window.violations)));
      if ((await page.evaluate(() => window.hacked)) !== 0) this.troubles.push("a script of a name ran");
    }
    assert.deepEqual(this.troubles, []);
  }

  // For whoever looks into a failure.
  async picture(name) {
    const page = this.pages.at(-1);
    if (!page) return;
    const file = join(tmpdir(), `millrace-page-${process.pid}-${name}`);
    await page.screenshot({ path: file, fullPage: true }).then(
      () => console.error(`picture: ${file}`),
      () => undefined,
    );
  }
}

// The figure of that title, as text.
export function figure(page, title) {
  return page.locator(".figure", { has: page.getByText(title, { exact: true }) }).locator("strong");
}

export async function expectText(locator, wanted, seconds = 10) {
  const matches = (text) => (wanted instanceof RegExp ? wanted.test(text) : text === wanted);
  const end = Date.now() + seconds * 1000;
  let text = "";
  while (Date.now() < end) {
    text = ((await locator.textContent().catch(() => null)) ?? "").trim();
    if (matches(text)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail(`'${text}' instead of ${wanted}`);
}
