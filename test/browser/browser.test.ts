import { afterEach, describe, expect, it, vi } from "vitest";
import { launchBrowser } from "./browser.ts";

describe("the browser tests", () => {
  afterEach(() => vi.unstubAllEnvs());

  it("fail where there is no Chromium, and say what to do", async () => {
    vi.stubEnv("CHROMIUM_PATH", "/nowhere/chromium");
    await expect(launchBrowser()).rejects.toThrow(/need Chromium.*\/nowhere\/chromium.*CHROMIUM_PATH/);
  });
});
