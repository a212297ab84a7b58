import { mkdir, rm } from "node:fs/promises";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { launchBrowser } from "./browser.ts";
import { ChatWindow } from "./chat-window.ts";
import { newDirectory, type ServerProcess, startServer } from "./server-process.ts";

const SHOTS = "test-results";

// A browser on a busy machine is slow; what matters here is what it shows.
vi.setConfig({ testTimeout: 120_000 });

describe("a page that outlives its server (needs chromium and a build)", () => {
  let directory: string;
  let server: ServerProcess;
  let browser: Browser;
  let aiko: ChatWindow;

  const restart = async (flags: string[] = []): Promise<void> => {
    server = await startServer({ port: Number(new URL(server.url).port), directory, flags });
  };

  beforeAll(async () => {
    await mkdir(SHOTS, { recursive: true });
    directory = await newDirectory();
    server = await startServer({ directory });
    browser = await launchBrowser();
    aiko = await ChatWindow.open(browser, server.url, "Aiko");
  }, 60_000);

  afterAll(async () => {
    await browser?.close();
    await server?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  it("counts down while the server is gone, and delivers once what was written meanwhile", async () => {
    await aiko.say("Before the restart");
    await aiko.message("Before the restart").getByRole("img", { name: "Delivered" }).waitFor();
    await server.stop();
    await aiko.page.getByText(/Connection lost/).waitFor();
    await aiko.say("While the server was gone");
    await aiko.message("While the server was gone").getByRole("img", { name: "Waiting for the connection" }).waitFor();
    await aiko.page.getByText(/Trying again in \d+ s/).waitFor();
    await aiko.page.screenshot({ path: `${SHOTS}/resume-waiting.png` });
    await restart();
    const retry = aiko.page.getByRole("button", { name: "Retry now" });
    // The next attempt may come by itself just before the click.
    await retry.click({ timeout: 2_000 }).catch(() => {});
    await aiko.status("Connected");
    await aiko.message("While the server was gone").getByRole("img", { name: "Delivered" }).waitFor();
    expect(await aiko.contents()).toEqual(["Before the restart", "While the server was gone"]);
    expect(await aiko.fact("order").textContent()).toBe("no gap, no repeat");
  });

  it("is the same person in two windows: what one reads is read in the other", async () => {
    const second = await ChatWindow.open(browser, server.url, "Aiko");
    const ben = await ChatWindow.open(browser, server.url, "Ben");
    await second.enter("away");
    await aiko.enter("away");
    await second.turnTo("lobby");
    await aiko.turnTo("lobby");
    await ben.enter("away");
    await ben.say("Anyone?");
    for (const window of [aiko, second]) {
      await window.room("away").getByText("1 unread message").waitFor({ state: "attached" });
    }
    await second.turnTo("away");
    await aiko.room("away").getByText("1 unread message").waitFor({ state: "detached" });
    await ben.message("Anyone?").getByRole("img", { name: "Read", exact: true }).waitFor();
    expect(await ben.page.locator(".people-count").textContent()).toBe("2 people here");
    await second.context.close();
    await ben.context.close();
  });

  it("gets a new token by itself when the one it has is not accepted, and asks who it is when it gets none", async () => {
    const { page } = aiko;
    const spoil = (): Promise<void> =>
      page.evaluate(() => {
        const session = JSON.parse(sessionStorage.getItem("yamabiko.session") ?? "{}");
        sessionStorage.setItem("yamabiko.session", JSON.stringify({ ...session, token: "worn.out.token" }));
      });
    await spoil();
    await page.reload();
    await aiko.status("Connected");
    await aiko.sees("Before the restart");
    await spoil();
    await page.route("**/api/dev/token", (route) => route.fulfill({ status: 403, json: { error: { message: "no" } } }));
    await page.reload();
    await page.getByText("no longer accepted").waitFor();
    await page.unroute("**/api/dev/token");
    await page.getByLabel("Your name").fill("Aiko");
    await page.getByRole("button", { name: "Enter" }).click();
    await aiko.status("Connected");
  });

  it("says where events are gone that the server no longer keeps", async () => {
    const ben = await ChatWindow.open(browser, server.url, "Ben");
    await aiko.page.getByRole("button", { name: "Go offline" }).click();
    await aiko.status("Offline");
    for (let number = 1; number <= 25; number++) await ben.say(`Missed ${number}`);
    await ben
      .message("Missed 25")
      .getByRole("img", { name: /Delivered|Read/ })
      .waitFor();
    await ben.context.close();
    await server.stop();
    await restart(["--retention-max-events", "10"]);
    const carl = await ChatWindow.open(browser, server.url, "Carl");
    for (let number = 1; number <= 15; number++) await carl.say(`Kept ${number}`);
    await carl
      .message("Kept 15")
      .getByRole("img", { name: /Delivered|Read/ })
      .waitFor();
    const oldest = async (): Promise<string | undefined> => {
      await carl.page.reload();
      await carl.sees("Kept 15");
      return (await carl.contents())[0];
    };
    // The server trims about once a second.
    await expect.poll(oldest, { timeout: 30_000, interval: 1_000 }).toMatch(/^Kept/);
    await aiko.page.locator(".banner").getByRole("button", { name: "Go online" }).click();
    await aiko.sees("Kept 15");
    const lost = aiko.page.locator('[data-row="lost"]');
    await lost.waitFor({ state: "attached" });
    expect(await lost.textContent()).toMatch(/Events \d+ to \d+ are no longer kept/);
    await lost.scrollIntoViewIfNeeded();
    await aiko.page.screenshot({ path: `${SHOTS}/resume-lost.png` });
    await carl.context.close();
  });
});
