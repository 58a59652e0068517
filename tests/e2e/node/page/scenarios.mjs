// What people do with the page. Each scenario has things of its own names; all share one broker.
import assert from "node:assert/strict";
import { expectText, figure, kVhost } from "./site.mjs";

export async function logs_in_and_out_by_keyboard_alone(site) {
  site.expectedStatus.add(401);
  const page = await site.open();
  const focus = () => page.evaluate(() => document.activeElement?.textContent?.trim() || document.activeElement?.tagName);
  // The first field has the focus.
  await page.keyboard.type("guest");
  await page.keyboard.press("Tab");
  await page.keyboard.type("wrong");
  await page.keyboard.press("Enter");
  await expectText(page.getByRole("alert"), "User name or password is wrong.");
  await page.keyboard.type("guest"); // the password again
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Overview" }).waitFor();

  await page.keyboard.press("Tab");
  assert.equal(await focus(), "Skip to the content");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement?.id), "main");
  await page.keyboard.press("Shift+Tab");
  assert.equal(await focus(), "Log out");
  await page.keyboard.press("Enter");
  await page.getByLabel("User").waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length + localStorage.length + document.cookie.length), 0);
  await page.goBack().catch(() => undefined);
  assert.equal(await page.locator("main h1", { hasText: "Overview" }).count(), 0);
}

export async function stays_logged_in_after_a_reload_only_if_asked_to(site) {
  const page = await site.logIn();
  await page.reload();
  await page.getByLabel("User").waitFor();
  await page.getByLabel("User").fill("guest");
  await page.getByLabel("Password").fill("guest");
  await page.getByLabel("Stay logged in").check();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  await page.reload();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
}

export async function creates_a_queue_publishes_and_shows_the_numbers_move(site) {
  const page = await site.logIn();
  await page.getByRole("link", { name: "Queues" }).click();
  await page.getByText("Add a queue").click();
  await page.getByLabel("Name", { exact: true }).fill("page.numbers");
  await page.getByRole("button", { name: "Add the queue" }).click();
  await page.getByRole("link", { name: "page.numbers" }).click();
  await expectText(figure(page, "Length"), "0");
  await page.getByLabel("Body").fill("hello");
  await page.getByRole("button", { name: "Publish" }).click();
  await expectText(page.locator(".said"), "Published, and confirmed by the broker.");
  await expectText(figure(page, "Length"), "1");
  await expectText(page.locator(".hold .badge"), "no consumer");
  for (let i = 0; i < 60; ++i) await site.publish("page.numbers", `${i}`);
  await expectText(figure(page, "Length"), "61");
  await site.get("page.numbers", "ack_requeue_false", 61);
  await expectText(figure(page, "Length"), "0");
  // Rates are of the last second or so: seen by the lines that they leave.
  const rates = page.locator(".chart", { hasText: "Rates" });
  const points = async (line) => ((await rates.locator(`.line-${line}`).getAttribute("d")) ?? "").match(/[ML]\S+ [\d.]+/g) ?? [];
  for (const line of [0, 1, 2]) {
    const heights = new Set((await points(line)).map((point) => point.split(" ")[1]));
    assert.ok(heights.size > 1, `line ${line} of the rates is flat`);
  }
  await expectText(page.locator(".figure", { hasText: "Latency" }).locator("small"), /oldest: none waits/);
  // What was taken above is in the picture, though nothing is at the moment.
  for (const title of ["Time in queue", "Time to acknowledge"]) {
    const map = page.locator(".latencies", { hasText: title });
    await expectText(map.locator(".told"), /^From .* (µs|ms|s) to .* (µs|ms|s|min), over 5 minutes/);
    assert.ok((await map.locator("canvas").evaluate((canvas) => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some((x) => x > 0))), title);
  }
  const told = await site.api("GET", `queues/${site.path(kVhost, "page.numbers")}`);
  assert.equal(told.millrace.since_start.time_in_queue.count, 61);
}

export async function follows_messages(site) {
  await site.queue("page.letters");
  await site.queue("page.follow", { arguments: { "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "page.letters" } });
  const page = await site.logIn();
  await page.getByRole("link", { name: "Follow", exact: true }).click();
  await page.getByLabel("By").selectOption("message_id");
  await page.getByLabel("Which is").fill("follow <i>me</i>");
  await page.getByRole("button", { name: "Follow", exact: true }).click();
  await expectText(page.locator("main .told"), "Following message id follow <i>me</i>.");
  await site.publish("page.follow", "other", { delivery_mode: 2, message_id: "other" });
  await site.publish("page.follow", "this", { delivery_mode: 2, message_id: "follow <i>me</i>" });
  await site.get("page.follow", "reject_requeue_false", 2);
  const lines = page.locator("section tbody tr");
  const steps = async () => (await lines.locator("td:nth-child(2)").allTextContents()).join();
  for (let i = 0; i < 100 && (await lines.count()) < 6; ++i) await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(await steps(), "published,queued,got,rejected,dead-lettered,queued");
  assert.match((await lines.nth(0).textContent()) ?? "", /\(default exchange\) by page\.follow → page\.follow/);
  assert.match((await lines.nth(4).textContent()) ?? "", /page\.follow → \(default exchange\) by page\.letters → page\.letters/);
  await page.getByRole("button", { name: "Stop" }).click();
  await expectText(page.locator("main .told"), "Nothing is followed any more.");
}

export async function looks_at_messages_without_taking_them(site) {
  await site.queue("page.peek");
  await site.publish("page.peek", "first <b>body</b>", { delivery_mode: 2, message_id: "m1", headers: { tries: 3 } });
  await site.publish("page.peek", "second");
  const page = await site.logIn();
  await site.go(page, "queues", kVhost, "page.peek");
  await page.getByRole("button", { name: "Peek" }).click();
  await expectText(page.locator(".payload").first(), "first <b>body</b>");
  await expectText(page.locator(".payload").nth(1), "second");
  assert.equal(await page.locator(".message b").count(), 0);
  assert.match((await page.locator(".message").first().textContent()) ?? "", /m1.*"tries": 3/s);
  assert.deepEqual((await site.get("page.peek")).map((message) => message.payload), ["first <b>body</b>", "second"]);
}

export async function retries_dead_letters(site) {
  await site.queue("page.dead");
  await site.queue("page.work", { arguments: { "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "page.dead" } });
  await site.api("PUT", `exchanges/${site.path(kVhost, "page.orders")}`, { type: "topic" });
  await site.api("POST", `bindings/${site.path(kVhost, "e", "page.orders", "q", "page.work")}`, { routing_key: "order.#" });
  for (let i = 0; i < 250; ++i) {
    await site.api("POST", `exchanges/${site.path(kVhost, "page.orders")}/publish`, {
      routing_key: `order.${i}`,
      payload: `${i}`,
      payload_encoding: "string",
      properties: { delivery_mode: 2 },
    });
  }
  await site.get("page.work", "reject_requeue_false", 250);
  await site.publish("page.dead", "no letter");
  const page = await site.logIn();
  await site.go(page, "queues", kVhost, "page.dead");
  await expectText(figure(page, "Length"), "251");
  await page.getByRole("button", { name: "Move messages" }).click();
  await expectText(page.locator(".said"), /^250 messages moved\. 1 stayed here: it did not die/);
  await expectText(figure(page, "Length"), "1");
  const back = await site.get("page.work", "ack_requeue_true", 250);
  assert.deepEqual(
    back.map((message) => [message.routing_key, message.exchange, message.payload]),
    Array.from({ length: 250 }, (_, i) => [`order.${i}`, "page.orders", `${i}`]),
  );
  // And the one that stayed, to a queue of its own.
  await site.queue("page.elsewhere");
  await page.getByLabel("Where").selectOption("queue");
  await page.getByLabel("Queue", { exact: true }).fill("page.elsewhere");
  await page.getByRole("button", { name: "Move messages" }).click();
  await expectText(page.locator(".said"), "1 message moved.");
  assert.deepEqual((await site.get("page.elsewhere")).map((message) => message.payload), ["no letter"]);
}

export async function asks_before_it_destroys(site) {
  await site.queue("page.danger");
  await site.publish("page.danger", "m");
  const page = await site.logIn();
  await site.go(page, "queues", kVhost, "page.danger");
  const dialog = page.getByRole("dialog");
  await page.getByRole("button", { name: "Purge" }).click();
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await dialog.waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Purge" }).click();
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  assert.equal((await site.get("page.danger")).length, 1);

  await page.getByRole("button", { name: "Purge" }).click();
  const sure = dialog.getByRole("button", { name: "Purge the queue" });
  await dialog.getByRole("textbox").fill("page.dangerous");
  assert.ok(await sure.isDisabled());
  await page.keyboard.press("Enter");
  assert.equal((await site.get("page.danger")).length, 1);
  await dialog.getByRole("textbox").fill("page.danger");
  await sure.click();
  await expectText(page.locator(".said"), "The queue is purged.");
  assert.equal((await site.get("page.danger")).length, 0);

  await page.getByRole("button", { name: "Delete" }).click();
  await dialog.getByRole("textbox").fill("page.danger");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Queues" }).waitFor();
  const left = await site.api("GET", `queues/${site.path(kVhost)}?columns=name`);
  assert.ok(!left.some((queue) => queue.name === "page.danger"));
}

// Names that would be markup, script, an address or another name, if they were taken for it.
const kImage = "<img src=x onerror=window.hacked=1>";
const kHostile = [
  kImage,
  "\"'><script>window.hacked=1</script>",
  "javascript:window.hacked=1",
  "</title></svg></style><svg onload=window.hacked=1>",
  "${window.hacked=1}{{window.hacked=1}}",
  "\u202egnp.txt \u2067שלום\u0000\n\r\t",
  "a/b?c#d&e=f%2F+g %00",
  "http://example.com/x.png",
  "日本語 ñ 🐰",
  "w".repeat(255),
  "<b>".repeat(85),
];

export async function takes_hostile_names_for_names(site, { connection, idle }) {
  for (const name of kHostile) {
    await site.api("PUT", `vhosts/${site.path(name)}`, { description: kImage });
    await site.api("PUT", `permissions/${site.path(name, "guest")}`, { configure: ".*", write: ".*", read: ".*" });
    await site.queue(name, { arguments: { [kImage]: kImage } });
    if (name.length < 200) {
      for (const task of [`${name}.dead`, `${name}.celery.pidbox`, `millrace.schedule.${name}`]) await site.queue(task);
      await site.publish(`millrace.schedule.${name}`, JSON.stringify({ cron: kImage, call: { task: name } }));
    }
    await site.api("PUT", `exchanges/${site.path(kVhost, name)}`, { type: "topic", arguments: { [kImage]: kImage } });
    await site.api("POST", `bindings/${site.path(kVhost, "e", name, "q", name)}`, { routing_key: name, arguments: { k: name } });
    await site.api("POST", `bindings/${site.path(kVhost, "e", name, "e", name)}`, { routing_key: name });
    await site.api("PUT", `users/${site.path(name)}`, { password: name, tags: [kImage, "management"] });
    await site.api("PUT", `permissions/${site.path(kVhost, name)}`, { configure: ".*", write: ".*", read: ".*" });
    await site.api("PUT", `policies/${site.path(kVhost, name)}`, {
      pattern: `^${kImage}$`,
      "apply-to": "queues",
      definition: { "dead-letter-exchange": name },
    });
    await site.publish(name, kImage, { content_type: kImage, message_id: name.slice(0, 40), headers: { [kImage]: name } });
  }
  const page = await site.logIn();
  const see = async (name) => {
    const text = await page.locator("main").textContent();
    assert.ok(text.includes(name.slice(0, 5)), `${name} is not shown`);
  };
  for (const place of ["overview", "queues", "exchanges", "connections", "channels", "tasks", "users", "policies", "definitions"]) {
    await site.go(page, place);
    if (["queues", "exchanges", "policies", "tasks"].includes(place)) {
      await page.locator("main table").getByText(kImage).first().waitFor();
      for (const name of [kHostile[0], kHostile[1], kHostile[6]]) await see(name);
    } else {
      await page.waitForTimeout(1300);
    }
    assert.equal(await page.locator("main img, main script, main svg[onload]").count(), 0);
  }
  for (const name of kHostile) {
    await site.go(page, "queues", kVhost, name);
    await expectText(figure(page, "Length"), "1");
    await page.getByRole("button", { name: "Peek" }).click();
    await page.locator(".payload").first().waitFor();
    assert.match((await page.locator(".payload").first().textContent()) ?? "", /^<img/);
    await site.go(page, "exchanges", kVhost, name);
    await page.locator(".picture .box").nth(2).waitFor();
  }
  // The whole name is what is typed to delete it.
  await site.go(page, "queues", kVhost, kHostile[1]);
  await page.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("dialog").getByRole("textbox").fill(kHostile[1]);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Queues" }).waitFor();
  // What a client says of itself.
  await site.go(page, "connections");
  await page.getByText(connection).first().waitFor();
  await page.getByRole("link", { name: /127\.0\.0\.1/ }).first().click();
  await page.getByRole("heading", { name: /Connection/ }).waitFor();
  await page.getByText(connection).first().waitFor();
  await site.go(page, "queues", kVhost, idle);
  await page.locator("section", { hasText: "Consumers" }).getByText(kImage).first().waitFor();
  assert.equal(await page.locator("main img, main script").count(), 0);
}

export async function says_why_a_name_cannot_be_asked_for(site) {
  const page = await site.logIn();
  await site.go(page, "queues");
  await page.getByText("Add a queue").click();
  await page.getByLabel("Name", { exact: true }).fill("..");
  const asked = [];
  page.on("request", (request) => request.method() !== "GET" && asked.push(request.url()));
  await page.getByRole("button", { name: "Add the queue" }).click();
  await expectText(page.locator(".complaint").nth(1), /Browsers cannot ask for a name that is "\.\."/);
  assert.deepEqual(asked, []);
}

export async function fits_a_phone(site) {
  const long = `phone ${"W".repeat(200)}`;
  await site.queue(long, { arguments: { "x-dead-letter-exchange": "v".repeat(200) } });
  await site.publish(long, "x".repeat(2000));
  const page = await site.logIn({ viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
  const places = [["overview"], ["queues"], ["queues", kVhost, long], ["exchanges"], ["exchanges", kVhost, ""], ["connections"]];
  for (const place of [...places, ["channels"], ["users"], ["policies"], ["definitions"]]) {
    await site.go(page, ...place);
    await page.waitForTimeout(1200);
    if (place[2] === long) await page.getByRole("button", { name: "Peek" }).click();
    for (const summary of await page.locator("main > details > summary, main section > details > summary").all()) await summary.click();
    const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(content <= window && window === 360, `${place} is ${content} wide in a window of ${window}`);
  }
}

// WCAG 2.1 §1.4.3, of all text that is shown.
const contrasts = () => {
  const channels = (color) => (color.match(/[\d.]+/g) ?? []).map(Number);
  const luminance = ([r, g, b]) => {
    const linear = [r, g, b].map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = channels(getComputedStyle(at).backgroundColor);
      if (color[3] === undefined || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const low = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.textContent.trim() || !element.getClientRects().length || element.closest("svg, :disabled, option")) continue;
    const style = getComputedStyle(element);
    const [a, b] = [luminance(channels(style.color)), luminance(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) low.push(`${ratio.toFixed(2)} '${node.textContent.trim().slice(0, 30)}' ${style.color}`);
  }
  return low;
};

// Every control can be reached by Tab and says what it is; every table has a caption.
const unnamed = () => {
  const bad = [];
  for (const control of document.querySelectorAll("main input, main select, main textarea")) {
    const named = control.labels?.length || control.getAttribute("aria-label");
    if (!named) bad.push(`no label: ${control.outerHTML.slice(0, 80)}`);
  }
  for (const control of document.querySelectorAll("button, a, summary")) {
    if (!control.textContent.trim()) bad.push(`no text: ${control.outerHTML.slice(0, 80)}`);
    if (control.tabIndex < 0) bad.push(`not reached by Tab: ${control.outerHTML.slice(0, 80)}`);
  }
  for (const table of document.querySelectorAll("table")) {
    if (!table.caption?.textContent) bad.push("a table without a caption");
  }
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  if (new Set(ids).size !== ids.length) bad.push(`ids twice: ${ids}`);
  return bad;
};

export async function can_be_read_and_used_in_light_and_dark(site) {
  await site.queue("page.read");
  await site.publish("page.read", "m");
  for (const colorScheme of ["light", "dark"]) {
    const page = await site.logIn({ colorScheme });
    for (const place of [["overview"], ["queues"], ["queues", kVhost, "page.read"], ["exchanges", kVhost, "amq.topic"], ["users"], ["policies"]]) {
      await site.go(page, ...place);
      await page.waitForTimeout(700);
      for (const summary of await page.locator("main summary").all()) await summary.click();
      assert.deepEqual(await page.evaluate(contrasts), [], `${place} in ${colorScheme}`);
      assert.deepEqual(await page.evaluate(unnamed), [], `${place}`);
    }
  }
}

// The modules as the broker serves them, loaded by the page's own policy.
export async function reckons_right(site) {
  const page = await site.open();
  const found = await page.evaluate(async () => {
    const [{ holdOf }, { scaleMax, linePath }, { slots }, format, { prefetchOf }, { path }, { record, kSamples }] = await Promise.all(
      ["hold", "chart", "heatmap", "format", "pages/queues", "api", "history"].map((name) => import(`/page/${name}.js`)),
    );
    const idle = { ready: 0, unacked: 0, consumers: 0, inRate: 0, outRate: 0, ackRate: 0, prefetch: null };
    const hold = (more, alarm = null) => holdOf({ ...idle, ...more }, alarm).word;
    const thrown = (...names) => {
      try {
        return path(...names);
      } catch {
        return "refused";
      }
    };
    let samples;
    for (let i = 0; i < kSamples + 50; ++i) samples = record("thing", i * 1000, [i]);
    return {
      holds: [
        hold({}),
        hold({ ready: 1 }),
        hold({ ready: 1 }, "low on memory"),
        hold({ ready: 1, consumers: 1, unacked: 5, prefetch: 5 }),
        hold({ ready: 1, consumers: 1, unacked: 4, prefetch: 5, inRate: 9, outRate: 2, ackRate: 2 }),
        hold({ unacked: 3, consumers: 1 }),
        hold({ consumers: 1, inRate: 1, outRate: 1 }, "low on memory"),
        hold({ ready: 9, consumers: 1, inRate: 1, outRate: 5 }),
        hold({ ready: 9, consumers: 1 }),
        hold({ consumers: 1, inRate: 5, outRate: 5, ackRate: 5 }),
      ],
      prefetch: [
        prefetchOf([]),
        prefetchOf([{ prefetch_count: 2, ack_required: true }, { prefetch_count: 3, ack_required: true }]),
        prefetchOf([{ prefetch_count: 2, ack_required: true }, { prefetch_count: 0, ack_required: true }]),
        prefetchOf([{ prefetch_count: 2, ack_required: false }]),
      ],
      scales: [0, 1, 1.5, 3, 7, 10, 11, 4000].map(scaleMax),
      gaps: linePath([{ at: 0, values: [1] }, { at: 1000, values: [1] }, { at: 60_000, values: [1] }], 0, 60_000, 1).match(/[ML]/g),
      slots: slots([{ at: 0, values: [3] }, { at: 1, values: [7] }, { at: 299_000, values: [0] }], 300_000, 3),
      visible: format.visible("a\u202eb\u0000"),
      bytes: [format.bytes(1023), format.bytes(1024), format.bytes(5e9)],
      paths: [thrown("a", "."), thrown("..", "b"), thrown(""), thrown("\ud800"), thrown("...", "a/b?#")],
      kept: [samples.length, samples[0].at, samples.at(-1).at],
    };
  });
  assert.deepEqual(found, {
    holds: ["idle", "no consumer", "no consumer", "slow consumer", "growing", "waits for acks", "alarm", "draining", "not taken", "keeps up"],
    prefetch: [null, 5, null, null],
    scales: [1, 1, 2, 5, 10, 10, 20, 5000],
    gaps: ["M", "L", "M"],
    slots: [7, -1, 0],
    visible: "a\\u202eb\\u0000",
    bytes: ["1023 B", "1.0 KiB", "4.7 GiB"],
    paths: ["refused", "refused", "refused", "refused", ".../a%2Fb%3F%23"],
    kept: [300, 50_000, 349_000],
  });
}

// The client that the test keeps connected takes two messages of `slow` and acknowledges none.
export async function says_what_holds_a_queue_back(site, { slow }) {
  const page = await site.logIn();
  await site.go(page, "queues");
  await page.getByLabel("Filter by name").fill(slow);
  await expectText(page.locator("tr", { hasText: slow }).locator(".badge"), "slow consumer", 15);
  await page.getByRole("link", { name: slow }).click();
  await expectText(page.locator(".hold .badge"), "slow consumer");
  await expectText(page.locator("section", { hasText: "Consumers" }).locator("tbody td.numeric").first(), "2");
  await page.locator("section", { hasText: "Consumers" }).getByRole("link").click();
  await page.getByRole("heading", { name: /Connection/ }).waitFor();
}

export async function says_that_publishers_are_ahead_of_their_rate(site, { queue, connection }) {
  const page = await site.logIn();
  await site.go(page, "queues", kVhost, queue);
  await expectText(page.locator(".hold .badge"), "flow control", 30);
  await expectText(page.locator(".hold"), /held back by the rate/);
  await site.go(page, "connections");
  await page.getByText(connection).first().waitFor();
  await expectText(page.locator("tr", { hasText: connection }).locator(".badge"), "held back: ahead of its rate", 30);
}

export async function sets_and_lifts_limits_and_topic_permissions(site) {
  await site.api("PUT", "users/page.limits", { password: "p", tags: "" });
  await site.api("PUT", "vhosts/page.limits", {});
  const page = await site.logIn();
  await site.go(page, "users");
  const section = (title) => page.locator("section", { has: page.getByRole("heading", { name: title, exact: true }) });
  const setLimit = async (within, of, name, value) => {
    await within.getByText(`Set a limit of a ${of}`).click();
    await within.getByLabel(`Limited ${of}`).fill("page.limits");
    await within.getByLabel(`What of the ${of}`).selectOption(name);
    await within.getByLabel(`At most, of the ${of}`).fill(value);
    await within.getByRole("button", { name: `Set the limit of the ${of}` }).click();
  };
  const users = section("Limits of users");
  await setLimit(users, "user", "max-connection-publish-byte-rate", "1000000");
  await expectText(users.locator("tr", { hasText: "page.limits" }), /1,000,000.*bytes a second, of each connection/);
  const told = await site.api("GET", "user-limits/page.limits");
  assert.deepEqual(told, [{ user: "page.limits", value: { "max-connection-publish-byte-rate": 1000000 } }]);
  const vhosts = section("Limits of virtual hosts");
  await setLimit(vhosts, "vhost", "max-queues", "3");
  await expectText(vhosts.locator("tr", { hasText: "page.limits" }), /3.*queues/);
  await vhosts.getByRole("button", { name: "Lift" }).click();
  await page.getByRole("button", { name: "Lift the limit" }).click();
  await vhosts.getByText("There is none.").waitFor();
  assert.deepEqual(await site.api("GET", "vhost-limits/page.limits"), []);
  const topics = section("Topic permissions");
  await topics.getByText("Add or change a topic permission").click();
  await topics.getByLabel("User of topics").fill("page.limits");
  await topics.getByLabel("Vhost of topics").selectOption("page.limits");
  await topics.getByLabel("Keys to publish with").fill("^orders");
  await topics.getByRole("button", { name: "Save the topic permission" }).click();
  await expectText(topics.locator("tr", { hasText: "page.limits" }), /amq\.topic.*\^orders/);
  const permission = (await site.api("GET", "topic-permissions/page.limits/page.limits"))[0];
  assert.equal(permission.write, "^orders");
  await topics.getByRole("button", { name: "Take away" }).click();
  await page.getByRole("button", { name: "Take it away" }).last().click();
  await topics.getByText("There is none").waitFor();
}

// What is typed as a password, and what the broker has of one, is nowhere to be read in the page or what it keeps.
export async function keeps_passwords_and_hashes_to_itself(site) {
  const planted = "planted-S3CRET-of-a-user";
  await site.api("PUT", "users/page.planted", { password: planted, tags: "administrator" });
  await site.api("PUT", "permissions/%2F/page.planted", { configure: ".*", write: ".*", read: ".*" });
  const page = await site.open();
  const answers = [];
  page.on("response", (response) => answers.push(response.text().catch(() => "")));
  await page.getByLabel("User").fill("page.planted");
  await page.getByLabel("Password").fill(planted);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  for (const place of ["overview", "queues", "connections", "users", "definitions"]) {
    await site.go(page, place);
    await page.waitForTimeout(1200);
    const kept = await page.evaluate(() =>
      JSON.stringify([
        document.documentElement.outerHTML,
        [...document.querySelectorAll("input")].map((input) => input.value),
        { ...localStorage },
        { ...sessionStorage },
        document.cookie,
        location.href,
      ]),
    );
    for (const secret of [planted, btoa(`page.planted:${planted}`), "password_hash"]) {
      assert.ok(!kept.includes(secret), `${secret} is in the page ${place}`);
    }
  }
  const told = (await Promise.all(answers)).join("\n");
  assert.ok(told.includes("page.planted") && !told.includes(planted), "an answer has the password");
}

export async function tells_everywhere_that_publishers_are_held_back(site) {
  site.expectedStatus.add(503); // so does a health check answer that fails
  const page = await site.logIn();
  await page.locator(".alarm", { hasText: "low on disk space" }).waitFor();
  await expectText(page.locator(".figure strong.bad"), /iB/);
  await site.queue("full");
  await site.go(page, "queues", kVhost, "full");
  await page.getByLabel("Body").fill("one more");
  await page.getByRole("button", { name: "Publish" }).click();
  await expectText(page.locator(".complaint").nth(1), /no room for this at the moment.*publishers are held back/s);
}

export async function asks_less_while_the_broker_fails_and_nothing_while_hidden(site) {
  const page = await site.logIn();
  await site.go(page, "queues");
  let asked = 0;
  const count = () => ++asked;
  const shown = (hidden) =>
    page.evaluate((value) => {
      Object.defineProperty(document, "hidden", { configurable: true, get: () => value });
      document.dispatchEvent(new Event("visibilitychange"));
    }, hidden);
  await page.route("**/api/**", (route) => (count(), route.continue()));
  for (let waited = 0; asked < 2 && waited < 20_000; waited += 100) await page.waitForTimeout(100);
  assert.ok(asked >= 2, `asked ${asked} times`);
  await shown(true);
  // What was under way when it was hidden ends first.
  for (let waited = 0; asked > 0 && waited < 20_000; waited += 1000) {
    asked = 0;
    await page.waitForTimeout(1000);
  }
  await page.waitForTimeout(2500);
  assert.equal(asked, 0);
  await shown(false);
  await page.unroute("**/api/**");
  await page.waitForTimeout(300);

  site.troubles.length = 0; // what follows is told to the console
  await page.route("**/api/**", (route) => (count(), route.abort()));
  asked = 0;
  await expectText(page.locator(".complaint").first(), /^The broker does not answer.*Trying again in \d+ s\.$/s);
  await page.waitForTimeout(4000);
  assert.ok(asked <= 6, `asked ${asked} times while it failed`);
  await page.unroute("**/api/**");
  await expectText(page.locator(".complaint").first(), "", 20);
  site.troubles.length = 0;
}

export async function shows_users_what_they_may_see_and_says_why_not(site) {
  site.expectedStatus.add(401);
  await site.api("PUT", "vhosts/page.own", {});
  await site.api("PUT", "users/page.limited", { password: "page.limited", tags: "management" });
  await site.api("PUT", "permissions/page.own/page.limited", { configure: "^$", write: "^$", read: ".*" });
  await site.queue("page.secret");
  const page = await site.logIn({}, "page.limited");
  assert.equal(await page.getByRole("link", { name: "Users" }).count(), 0);
  await expectText(figure(page, "Memory"), "not shown");
  await site.go(page, "queues");
  await page.waitForTimeout(1200);
  assert.equal(await page.getByText("page.secret").count(), 0);
  await page.getByText("Add a queue").click();
  await page.getByLabel("Name", { exact: true }).fill("mine");
  await page.getByRole("button", { name: "Add the queue" }).click();
  await expectText(page.locator(".complaint").nth(1), /^Your user may not do this; an administrator can give it/);
}

export async function carries_definitions_out_and_in(site) {
  await site.queue("page.exported", { arguments: { "x-max-length": 7 } });
  const page = await site.logIn();
  await site.go(page, "definitions");
  const coming = page.waitForEvent("download");
  await page.getByRole("button", { name: "Export", exact: true }).click();
  const chunks = [];
  for await (const chunk of await (await coming).createReadStream()) chunks.push(chunk);
  const content = Buffer.concat(chunks).toString();
  assert.ok(JSON.parse(content).queues.some((queue) => queue.name === "page.exported"));
  await site.api("DELETE", `queues/${site.path(kVhost, "page.exported")}`);
  await page.getByLabel("File").setInputFiles({ name: "d.json", mimeType: "application/json", buffer: Buffer.from(content) });
  await page.getByRole("button", { name: "Import", exact: true }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Import" }).click();
  await expectText(page.locator(".said"), "Imported.");
  assert.equal((await site.api("GET", `queues/${site.path(kVhost, "page.exported")}`)).arguments["x-max-length"], 7);
}

export async function draws_and_changes_bindings(site) {
  await site.queue("page.bound");
  const page = await site.logIn();
  await site.go(page, "exchanges");
  await page.getByText("Add an exchange").click();
  await page.getByLabel("Name", { exact: true }).fill("page.drawn");
  await page.getByLabel("Type").selectOption("topic");
  await page.getByRole("button", { name: "Add the exchange" }).click();
  await page.getByRole("link", { name: "page.drawn" }).click();
  await page.getByText("bound to nothing").waitFor();
  const from = page.locator("section", { has: page.getByRole("heading", { name: "Bindings from it" }) });
  await from.getByText("Add a binding").click();
  await from.getByLabel("Its name").fill("page.bound");
  await from.getByLabel("Routing key").fill("a.#");
  await from.getByRole("button", { name: "Bind", exact: true }).click();
  await page.locator(".picture").getByText("a.#").waitFor();
  await page.locator(".picture a").click();
  await page.getByRole("heading", { name: "page.bound" }).waitFor();
  await page.getByRole("button", { name: "Unbind" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove the binding" }).click();
  await expectText(page.locator(".said"), "The binding is gone.");
  assert.deepEqual(await site.api("GET", `exchanges/${site.path(kVhost, "page.drawn")}/bindings/source`), []);
}

// The client that the test keeps connected is told why.
export async function closes_a_connection_and_tells_it_why(site, { connection }) {
  const page = await site.logIn();
  await site.go(page, "connections");
  await page.locator("tr", { hasText: connection }).getByRole("link").click();
  await page.getByLabel("Reason").fill("maintenance tonight");
  await page.getByRole("button", { name: "Close the connection" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Close the connection" }).click();
  await page.getByRole("heading", { name: "Connections" }).waitFor();
}

export async function shows_tasks(site, { queue, worker, schedule }) {
  const page = await site.logIn();
  await page.getByRole("link", { name: "Tasks", exact: true }).click();
  await page.getByLabel("Virtual host").waitFor();
  const row = (caption, name) => page.getByRole("region", { name: caption, exact: true }).getByRole("row").filter({ hasText: name });
  const cell = (caption, name, column) => row(caption, name).locator("td").nth(column);
  await row("Workers", worker).waitFor();
  // One runs, and the other has died.
  await expectText(cell("Queues of tasks", queue, 1), "1");
  await expectText(cell("Queues of tasks", queue, 4), "1");
  await expectText(cell("Workers", worker, 0), "1");
  await page.getByRole("button", { name: "Ask the workers what they run" }).click();
  await expectText(cell("Tasks that run", "page.rest", 0), '["<img src=x onerror=window.hacked=1>"]');
  await expectText(cell("Tasks that run", "page.rest", 2), worker);
  await row("Tasks that run", "page.rest").getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Cancel the task" }).click();
  await expectText(page.locator(".said"), "The workers are told.");
  await expectText(cell("Queues of tasks", queue, 1), "0");

  await row("Queues of tasks", queue).getByRole("button", { name: "Retry the dead" }).click();
  await expectText(page.locator(".said"), "1 task submitted again, with all attempts.");
  await expectText(cell("Queues of tasks", queue, 4), "1"); // it died again

  await expectText(cell("Schedules", schedule, 0), "0 3 * * *");
  await expectText(cell("Schedules", schedule, 1), "page.rest");
  const definition = async () => JSON.parse((await site.get(`millrace.schedule.${schedule}`, "ack_requeue_true", 1))[0].payload);
  assert.equal((await definition()).paused, undefined);
  await row("Schedules", schedule).getByRole("button", { name: "Pause or go on" }).click();
  await expectText(cell("Schedules", schedule, 2), "paused");
  assert.equal((await definition()).paused, true);
  await row("Schedules", schedule).getByRole("button", { name: "Pause or go on" }).click();
  await expectText(cell("Schedules", schedule, 2), "");
  assert.equal((await definition()).paused, false);
  await row("Schedules", schedule).getByRole("button", { name: "Delete" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete the schedule" }).click();
  await row("Schedules", schedule).waitFor({ state: "detached" });
  assert.equal(await page.locator("main img").count(), 0);
}
