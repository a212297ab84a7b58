import { mkdir, rm } from "node:fs/promises";
import type { Browser, Locator } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { launchBrowser } from "./browser.ts";
import { ChatWindow, NARROW, WIDE } from "./chat-window.ts";
import { lowContrast, namelessControls, overflowing } from "./page-check.ts";
import { newDirectory, type ServerProcess, startServer } from "./server-process.ts";

const SHOTS = "test-results";

// A browser on a busy machine is slow; what matters here is what it shows.
vi.setConfig({ testTimeout: 120_000 });
const PATIENT = { timeout: 40_000 };

describe("the dashboards in a browser (needs chromium and `npm run build`)", () => {
  let server: ServerProcess;
  let browser: Browser;
  let aiko: ChatWindow;
  let directory: string;

  const tile = (series: string): Locator => aiko.page.locator(`.tile[data-series="${series}"]`);
  const publish = async (values: object): Promise<void> => {
    const response = await fetch(`${server.url}/api/dashboards/shop`, { method: "POST", body: JSON.stringify(values) });
    expect(response.status).toBe(200);
  };

  beforeAll(async () => {
    await mkdir(SHOTS, { recursive: true });
    directory = await newDirectory();
    server = await startServer({ directory });
    browser = await launchBrowser();
    aiko = await ChatWindow.open(browser, server.url, "Aiko");
    await aiko.page.getByRole("link", { name: "Dashboard" }).click();
  }, 60_000);

  afterAll(async () => {
    await browser?.close();
    await server?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  it("shows the server's own numbers as they change", async () => {
    await tile("cpu").waitFor();
    await expect(aiko.page.locator(".tile").count()).resolves.toBe(12);
    await expect(aiko.page.locator(".panel canvas").count()).resolves.toBe(5);
    const stamp = aiko.page.locator(".dashboard-updated");
    const before = await stamp.textContent();
    await expect.poll(() => stamp.textContent(), PATIENT).not.toBe(before);
    expect(await aiko.page.locator(".dashboard-status").textContent()).toBe("Live");
  });

  it("shows a dashboard that was just published to, at once, and each value as it comes", async () => {
    await publish({ orders: 12 });
    await aiko.page.getByRole("link", { name: "shop", exact: true }).click();
    await tile("orders").getByText("12", { exact: true }).waitFor();
    await publish({ orders: 345, "sales/min": 1.5 });
    await tile("orders").getByText("345", { exact: true }).waitFor();
    await tile("sales/min").getByText("1.5", { exact: true }).waitFor();
    expect(await aiko.page.locator(".panel").count()).toBe(2);
  });

  it("stands still while it is paused, and is at the newest when it goes on", async () => {
    await aiko.page.getByRole("button", { name: "Pause" }).click();
    await publish({ orders: 400 });
    await publish({ other: 1 });
    await aiko.page.getByRole("link", { name: "shop", exact: true }).waitFor();
    expect(await tile("orders").locator(".tile-value").textContent()).toBe("345");
    await aiko.page.getByRole("button", { name: "Resume" }).click();
    await tile("orders").getByText("400", { exact: true }).waitFor();
    await tile("other").waitFor();
  });

  it("warns above a threshold, and remembers it on this device", async () => {
    await aiko.page.getByLabel("Alert above, for orders").fill("300");
    await expect.poll(() => tile("orders").getAttribute("data-above")).toBe("true");
    await aiko.page.reload();
    await expect.poll(() => tile("orders").getAttribute("data-above"), PATIENT).toBe("true");
    await publish({ orders: 200 });
    await expect.poll(() => tile("orders").getAttribute("data-above"), PATIENT).toBe("false");
  });

  it("shows the values of another time by the arrow keys, and of an hour", async () => {
    await publish({ orders: 210 });
    const panel = aiko.page.locator('.panel[data-panel="orders"]');
    await panel.locator(".series-chart").focus();
    await aiko.page.keyboard.press("ArrowLeft");
    await panel.locator(".panel-time").getByText(/^at /).waitFor();
    await aiko.page.keyboard.press("Escape");
    await panel.locator(".panel-time").getByText("newest").waitFor();
    await aiko.page.getByRole("radio", { name: "1 hour" }).check({ force: true });
    await tile("orders").getByText("210", { exact: true }).waitFor();
    await aiko.page.getByRole("radio", { name: "1 min" }).check({ force: true });
  });

  it("publishes by its form, once and every second, and says why something is not taken", async () => {
    const form = aiko.page.locator(".dashboard-card");
    await form.getByLabel("Series").fill("from_form");
    await form.getByLabel("Value").fill("7");
    await form.getByRole("button", { name: "Publish", exact: true }).click();
    await tile("from_form").getByText("7", { exact: true }).waitFor();
    await form.getByLabel("Series").fill("<no>");
    await form.getByRole("button", { name: "Publish", exact: true }).click();
    await form.getByText(/^Not taken: /).waitFor();
    await form.getByLabel("Series").fill("walk");
    await form.getByRole("button", { name: "Every second" }).click();
    await tile("walk").waitFor();
    const value = (): Promise<string | null> => tile("walk").locator(".tile-value").textContent();
    const before = await value();
    await expect.poll(value, PATIENT).not.toBe(before);
    await form.getByRole("button", { name: "Stop" }).click();
  });

  it("says that it is offline, keeps what it has, and goes on when the server is back", async () => {
    const { page } = aiko;
    const kept = await tile("orders").locator(".tile-value").textContent();
    await server.stop();
    await page.locator(".dashboard-note").waitFor();
    expect(await tile("orders").locator(".tile-value").textContent()).toBe(kept);
    await page.screenshot({ path: `${SHOTS}/dashboard-offline.png` });
    server = await startServer({ port: Number(new URL(server.url).port), directory });
    await page.locator(".dashboard-note").waitFor({ state: "detached" });
    // What was published before is in memory here alone.
    expect(await tile("orders").locator(".tile-value").textContent()).toBe(kept);
    await publish({ orders: 220 });
    await tile("orders").getByText("220", { exact: true }).waitFor();
  });

  it("says what to do where nothing was published", async () => {
    await aiko.page.goto(`${server.url}/#/dashboard/nothing-here`);
    await aiko.page.getByText("Nothing has been published here yet").waitFor();
    await aiko.page.getByText(/curl -d .*\/api\/dashboards\/nothing-here/).waitFor();
  });

  it("is readable in light and dark, wide and narrow, in both languages, and every control has a name", async () => {
    const { page } = aiko;
    for (const language of ["en", "ja"] as const) {
      await page.evaluate((value) => localStorage.setItem("yamabiko.language", value), language);
      await page.goto(`${server.url}/#/dashboard/system`);
      await page.reload();
      await tile("cpu").waitFor();
      for (const [size, viewport] of [
        ["wide", WIDE],
        ["narrow", NARROW],
      ] as const) {
        for (const theme of ["light", "dark"] as const) {
          await page.setViewportSize(viewport);
          await page.evaluate((value) => document.documentElement.setAttribute("data-theme", value), theme);
          expect(await lowContrast(page)).toEqual([]);
          expect(await overflowing(page)).toEqual([]);
          await page.screenshot({ path: `${SHOTS}/dashboard-${language}-${theme}-${size}.png` });
        }
      }
    }
    expect(await namelessControls(page)).toEqual([]);
    // The browser itself complains of a server that is gone, and of the name that was refused.
    expect(aiko.complaints.filter((one) => !/ERR_CONNECTION|ERR_EMPTY|ERR_INCOMPLETE|WebSocket|400/.test(one))).toEqual(
      [],
    );
  });
});
