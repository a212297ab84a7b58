import { mkdir } from "node:fs/promises";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { launchBrowser } from "./browser.ts";
import { ChatWindow, NARROW, WIDE } from "./chat-window.ts";
import { lowContrast, namelessControls, overflowing } from "./page-check.ts";
import { type ServerProcess, startServer } from "./server-process.ts";

const SHOTS = "test-results";

// A browser on a busy machine is slow; what matters here is what it shows.
vi.setConfig({ testTimeout: 120_000 });
const PATIENT = { timeout: 40_000 };

describe("the arena in a browser (needs chromium and `npm run build`)", () => {
  let server: ServerProcess;
  let browser: Browser;
  let aiko: ChatWindow;
  let ben: ChatWindow;

  const enter = async (name: string): Promise<ChatWindow> => {
    const window = await ChatWindow.open(browser, server.url, name);
    await window.page.getByRole("link", { name: "Arena" }).click();
    await window.page.locator(`.board-line[data-player="${name.toLowerCase()}"]`).waitFor();
    return window;
  };
  const scoreOf = async (page: Page, player: string): Promise<number> =>
    Number(await page.locator(`.board-line[data-player="${player}"] .board-score`).textContent());
  const meter = async (page: Page, name: string): Promise<string> =>
    (await page.locator(`[data-meter="${name}"] dd`).textContent()) ?? "";

  beforeAll(async () => {
    await mkdir(SHOTS, { recursive: true });
    server = await startServer();
    browser = await launchBrowser();
    aiko = await enter("Aiko");
    ben = await enter("Ben");
  }, 90_000);

  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });

  it("shows two windows the same world, and whoever moves collects", async () => {
    for (const { page } of [aiko, ben]) {
      await page.locator('.board-line[data-player="aiko"]').waitFor();
      await page.locator('.board-line[data-player="ben"]').waitFor();
    }
    await aiko.page.locator(".arena").click();
    await aiko.page.locator(".arena-hint").waitFor({ state: "hidden" });
    // In a spiral, until something lay in the way: equal steps would come around to where they began.
    const keys = ["ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp"] as const;
    let step = 0;
    await expect
      .poll(
        async () => {
          await aiko.page.keyboard.down(keys[step % 4]!);
          await aiko.page.waitForTimeout(200 + 100 * (step++ % 20));
          await aiko.page.keyboard.up(keys[(step - 1) % 4]!);
          return Number(await scoreOf(ben.page, "aiko"));
        },
        { timeout: 90_000 },
      )
      .toBeGreaterThan(0);
    expect(await meter(aiko.page, "rtt")).toMatch(/\d+ ms/);
    expect(await meter(aiko.page, "bytes")).toMatch(/KB\/s/);
  });

  it("is full of bots when somebody wants it, and empty again", async () => {
    await ben.page.getByRole("button", { name: "50", exact: true }).click();
    await expect.poll(() => aiko.page.locator(".board-line").count(), PATIENT).toBe(10);
    await aiko.page.locator('.game-bots button[aria-pressed="true"]').getByText("50").waitFor();
    await aiko.page.screenshot({ path: `${SHOTS}/game-wide.png` });
    await ben.page.emulateMedia({ colorScheme: "dark" });
    await ben.page.waitForTimeout(800);
    await ben.page.screenshot({ path: `${SHOTS}/game-wide-dark.png` });
    await ben.page.emulateMedia({ colorScheme: "light" });
    await ben.page.locator(".game-bots").getByRole("button", { name: "0", exact: true }).click();
    await expect.poll(() => aiko.page.locator(".board-line").count(), PATIENT).toBe(2);
  });

  it("feels a network that is made bad, and no longer", async () => {
    const delay = ben.page.getByLabel("Added round trip");
    await delay.fill("300");
    await expect.poll(async () => Number.parseInt(await meter(ben.page, "rtt"), 10), PATIENT).toBeGreaterThan(280);
    await ben.page.getByRole("button", { name: "Undo" }).click();
    await expect.poll(async () => Number.parseInt(await meter(ben.page, "rtt"), 10), PATIENT).toBeLessThan(250);
  });

  it("comes back after a cut, and says so when it is offline", async () => {
    await ben.page.getByRole("button", { name: "Cut the connection" }).click();
    await expect.poll(() => ben.page.locator(".arena-cover").count(), PATIENT).toBe(0);
    await ben.context.setOffline(true);
    await ben.page.getByRole("button", { name: "Cut the connection" }).click();
    await ben.page.locator(".arena-cover").waitFor();
    await ben.page.screenshot({ path: `${SHOTS}/game-offline.png` });
    await ben.context.setOffline(false);
    await expect.poll(() => ben.page.locator(".arena-cover").count(), PATIENT).toBe(0);
    // The board still has both: within ten seconds a place is kept.
    await aiko.page.locator('.board-line[data-player="ben"]').waitFor();
  });

  it("fits wide and narrow windows, light and dark, in both languages, with a name for everything", async () => {
    const { page } = aiko;
    for (const [size, viewport] of Object.entries({ wide: WIDE, narrow: NARROW })) {
      await page.setViewportSize(viewport);
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme });
        await page.waitForTimeout(700);
        expect(await overflowing(page), `${size} ${colorScheme}`).toEqual([]);
        expect(await namelessControls(page)).toEqual([]);
        expect(await lowContrast(page), `${size} ${colorScheme}`).toEqual([]);
        await page.screenshot({ path: `${SHOTS}/game-${size}-${colorScheme}.png` });
      }
    }
    await page.getByRole("button", { name: /Language/ }).click();
    await page.getByRole("heading", { name: "アリーナ" }).waitFor();
    expect(await overflowing(page)).toEqual([]);
    await page.screenshot({ path: `${SHOTS}/game-narrow-ja.png`, fullPage: true });
    // The browser tells of its own troubles while it is offline.
    expect(aiko.complaints).toEqual([]);
  });
});
