// node run.mjs BROWSER BROKER SCENARIO [JSON]: runs one scenario of scenarios.mjs; status 0 if all that it expects is so.
import { chromium } from "playwright-core";
import { Site } from "./site.mjs";
import * as scenarios from "./scenarios.mjs";

const [browserAt, brokerAt, name, more] = process.argv.slice(2);
const browser = await chromium.connect(browserAt);
const site = new Site(browser, brokerAt);
try {
  await scenarios[name](site, JSON.parse(more ?? "{}"));
  await site.expectClean();
} catch (error) {
  console.error(error.stack);
  await site.picture(`${name}.png`);
  process.exitCode = 1;
} finally {
  await browser.close();
}
