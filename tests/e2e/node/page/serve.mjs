// Starts Chromium without a window, prints where run.mjs finds it, and ends it with its standard input.
import { chromium } from "playwright-core";

const server = await chromium.launchServer({
  executablePath: process.argv[2],
  headless: true,
  // Its sandbox does not start for root.
  chromiumSandbox: process.getuid() !== 0,
  args: ["--disable-dev-shm-usage"],
});
console.log(server.wsEndpoint());
process.stdin.resume();
process.stdin.on("end", () => server.close().then(() => process.exit(0)));
