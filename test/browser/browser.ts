import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

/**
 * The browser the tests use: `CHROMIUM_PATH`, or the system's.
 * @throws {Error} when there is none: a test that nobody can run must not look like one that passed.
 */
function findChromium(): string {
  const named = process.env.CHROMIUM_PATH;
  const candidates = named === undefined ? ["/usr/bin/chromium", "/usr/bin/chromium-browser"] : [named];
  const found = candidates.find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new Error(
    `The browser tests need Chromium, and there is none at ${candidates.join(" or ")}. Install it (Debian: apt-get install chromium), or name one with CHROMIUM_PATH.`,
  );
}

/**
 * Starts the browser without anything that talks to the outside.
 * @throws {Error} that says what to do, when there is no browser.
 */
export async function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: findChromium(),
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}
