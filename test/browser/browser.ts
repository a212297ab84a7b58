import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

/** The browser the tests use: `YAMABIKO_CHROMIUM`, or the system's. Null when there is none. */
export function findChromium(): string | null {
  const candidates = [process.env.YAMABIKO_CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser"];
  return candidates.find((path) => path !== undefined && existsSync(path)) ?? null;
}

/** Starts the browser without anything that talks to the outside. */
export function launchBrowser(executablePath: string): Promise<Browser> {
  return chromium.launch({
    executablePath,
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
