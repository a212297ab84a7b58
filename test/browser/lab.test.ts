import { mkdir } from "node:fs/promises";
import type { Browser, Locator } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { launchBrowser } from "./browser.ts";
import { ChatWindow, NARROW, WIDE } from "./chat-window.ts";
import { lowContrast, namelessControls, overflowing } from "./page-check.ts";
import { type ServerProcess, startServer } from "./server-process.ts";

const SHOTS = "test-results";
const TRANSPORTS = ["websocket", "sse", "long-polling", "polling"] as const;

// A browser on a busy machine is slow; what matters here is what it shows.
vi.setConfig({ testTimeout: 120_000 });
const PATIENT = { timeout: 40_000 };

describe("the transport lab in a browser (needs chromium and `npm run build`)", () => {
  let server: ServerProcess;
  let browser: Browser;
  let aiko: ChatWindow;

  const lane = (transport: string): Locator => aiko.page.locator(`.lane[data-transport="${transport}"]`);
  const fact = async (transport: string, name: string): Promise<string> =>
    (await lane(transport).locator(`[data-fact="${name}"] dd`).textContent()) ?? "";
  const facts = (name: string): Promise<string[]> => Promise.all(TRANSPORTS.map((one) => fact(one, name)));
  const connected = async (): Promise<void> => {
    for (const transport of TRANSPORTS) await lane(transport).getByText("Connected").waitFor();
  };
  const button = (name: string): Locator => aiko.page.getByRole("button", { name, exact: true });

  beforeAll(async () => {
    await mkdir(SHOTS, { recursive: true });
    server = await startServer();
    browser = await launchBrowser();
    aiko = await ChatWindow.open(browser, server.url, "Aiko");
    await aiko.page.getByRole("link", { name: "Lab" }).click();
    await connected();
  }, 60_000);

  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });

  it("brings the same feed over all four transports, with nothing missed and nothing out of order", async () => {
    await expect.poll(async () => (await facts("received")).every((count) => Number(count) >= 12), PATIENT).toBe(true);
    expect(await facts("missed")).toEqual(["0", "0", "0", "0"]);
    expect(await facts("disordered")).toEqual(["0", "0", "0", "0"]);
    // Each came by its own way: one socket, one stream, a request for every answer.
    const requests = (await facts("requests")).map((text) => Number.parseInt(text, 10));
    expect(requests[0]).toBe(1);
    expect(requests[1]).toBeLessThan(requests[2] ?? 0);
    // A short poll comes every 2 s, so half of its events waited longer than those of a stream.
    await expect.poll(() => fact("polling", "p50"), PATIENT).toMatch(/\d/);
    const [streamed = 0, polled = 0] = (await Promise.all([fact("websocket", "p50"), fact("polling", "p50")])).map(ms);
    expect(polled).toBeGreaterThan(streamed);
  });

  it("pauses the feed for everybody, goes on, and changes the rate by keyboard", async () => {
    await button("Pause").click();
    await aiko.page.locator(".lab-rate-value").getByText("paused").waitFor();
    let before: string[] = [];
    const isStill = async (): Promise<boolean> => {
      const earlier = before;
      before = await facts("received");
      return earlier.join() === before.join() && (await facts("behind")).every((count) => count === "0");
    };
    // The slowest asks every 2 s.
    await expect.poll(isStill, { ...PATIENT, interval: 2_500 }).toBe(true);
    const ben = await ChatWindow.open(browser, server.url, "Ben");
    await ben.page.getByRole("link", { name: "Lab" }).click();
    await ben.page.locator(".lab-rate-value").getByText("paused").waitFor();
    expect(await facts("received")).toEqual(before);
    await button("Resume").click();
    await ben.page.locator(".lab-rate-value").getByText("4 events/s").waitFor();
    const slider = ben.page.getByRole("slider", { name: "Rate" });
    await slider.focus();
    await ben.page.keyboard.press("ArrowRight");
    expect(await slider.getAttribute("aria-valuetext")).toBe("8 events per second");
    await aiko.page.locator(".lab-rate-value").getByText("8 events/s").waitFor();
    await ben.context.close();
  });

  it("resumes all four after a cut, without loss", async () => {
    await button("Cut all connections").click();
    await aiko.page.getByText(/All four are back after [\d.]+ s: \d+ events? caught up, 0 missed\./).waitFor();
    expect(await facts("reconnects")).toEqual(["1", "1", "1", "1"]);
    const then = (await facts("received")).map(Number);
    await expect
      .poll(async () => (await facts("received")).every((count, index) => Number(count) > (then[index] ?? 0)), PATIENT)
      .toBe(true);
    expect(await facts("missed")).toEqual(["0", "0", "0", "0"]);
    expect(await facts("disordered")).toEqual(["0", "0", "0", "0"]);
  });

  it("resumes over a longer time offline as well", async () => {
    const before = (await facts("received")).map(Number);
    await aiko.context.setOffline(true);
    await button("Cut all connections").click();
    await aiko.page.waitForTimeout(2_500);
    await aiko.context.setOffline(false);
    await aiko.page.getByText(/All four are back/).waitFor({ timeout: 40_000 });
    expect(await facts("missed")).toEqual(["0", "0", "0", "0"]);
    expect(await facts("disordered")).toEqual(["0", "0", "0", "0"]);
    // At 8 events a second for 2.5 s each of them has much to catch up.
    for (const [index, count] of (await facts("received")).map(Number).entries()) {
      expect(count - (before[index] ?? 0)).toBeGreaterThan(10);
    }
    expect((await facts("caughtUp")).every((count) => Number(count) > 5)).toBe(true);
  });

  it("counts from 0 again after a reset", async () => {
    await button("Reset").click();
    await expect.poll(() => facts("reconnects"), PATIENT).toEqual(["0", "0", "0", "0"]);
    await expect.poll(async () => Number(await fact("sse", "received")), PATIENT).toBeGreaterThan(0);
    expect(await facts("missed")).toEqual(["0", "0", "0", "0"]);
  });

  it("fills the origin's comparison with what it measured", async () => {
    const cells = aiko.page.locator(".comparison tbody tr");
    expect(await cells.count()).toBe(4);
    await expect
      .poll(async () => (await aiko.page.locator(".comparison td.measured").allTextContents()).join(), PATIENT)
      .not.toContain("–");
    await aiko.page.getByRole("heading", { name: "Which one?" }).scrollIntoViewIfNeeded();
    expect(await aiko.page.locator(".guide-rows li").allInnerTexts()).toHaveLength(3);
  });

  it("is shown wide and narrow, light and dark, in English and Japanese, and names every control", async () => {
    expect(await namelessControls(aiko.page)).toEqual([]);
    for (const colorScheme of ["light", "dark"] as const) {
      await aiko.page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      for (const [name, size] of [
        ["wide", WIDE],
        ["narrow", NARROW],
      ] as const) {
        await aiko.page.setViewportSize(size);
        await aiko.page.waitForTimeout(300);
        await aiko.page.screenshot({ path: `${SHOTS}/lab-${name}-${colorScheme}.png` });
        const out = await overflowing(aiko.page);
        expect(out.filter((element) => !/^(table|th|td|tr|thead|tbody|span\.mark)/.test(element))).toEqual([]);
        expect(await lowContrast(aiko.page)).toEqual([]);
      }
    }
    await aiko.page.setViewportSize(WIDE);
    await aiko.page.getByRole("button", { name: "Language: English" }).click();
    await aiko.page.getByRole("heading", { level: 1, name: "トランスポート比較" }).waitFor();
    await aiko.page.screenshot({ path: `${SHOTS}/lab-wide-dark-ja.png` });
    await aiko.page.getByRole("button", { name: "言語: 日本語" }).click();
  });

  it("lets go of its connections when another page is turned to", async () => {
    await aiko.page.getByRole("link", { name: "Chat" }).click();
    await aiko.page.getByRole("heading", { level: 1, name: "lobby" }).waitFor();
    // What is counted is what this window has open: one WebSocket.
    const requests: string[] = [];
    aiko.page.on("request", (request) => requests.push(request.url()));
    await aiko.page.waitForTimeout(3_000);
    expect(requests.filter((url) => url.includes("/api/"))).toEqual([]);
  });

  it("complains about nothing", () => {
    const expected = /ERR_FAILED|ERR_ABORTED|ERR_INTERNET_DISCONNECTED/; // what these tests themselves broke
    expect(aiko.complaints.filter((complaint) => !expected.test(complaint))).toEqual([]);
  });
});

/** A figure with its unit, in ms. */
function ms(text: string): number {
  const value = Number.parseFloat(text);
  return /\ds$| s$/.test(text) ? value * 1_000 : value;
}
