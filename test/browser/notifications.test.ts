import { mkdir } from "node:fs/promises";
import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { launchBrowser } from "./browser.ts";
import { ChatWindow, NARROW, WIDE } from "./chat-window.ts";
import { lowContrast, namelessControls, overflowing } from "./page-check.ts";
import { type ServerProcess, startServer } from "./server-process.ts";

const SHOTS = "test-results";

// A browser on a busy machine is slow; what matters here is what it shows.
vi.setConfig({ testTimeout: 120_000 });
const PATIENT = { timeout: 20_000 };

describe("notifications in a browser (needs chromium and `npm run build`)", () => {
  let server: ServerProcess;
  let browser: Browser;
  /** Two windows of one user, and somebody else. */
  let aiko: ChatWindow;
  let other: ChatWindow;

  const send = async (title: string, more: Record<string, unknown> = {}): Promise<void> => {
    const response = await fetch(`${server.url}/api/notifications`, {
      method: "POST",
      body: JSON.stringify({ userId: "aiko", type: "news", title, ...more }),
    });
    expect(response.status).toBe(200);
  };
  const bell = (page: Page, unseen: number): Locator =>
    page.getByRole("button", { name: unseen === 0 ? /^Notifications$/ : `Notifications, ${unseen} new` });
  const panel = (page: Page): Locator => page.getByRole("dialog", { name: "Notifications" });
  const note = (within: Page | Locator, title: string): Locator =>
    within.locator(`.note:has(.note-title :text-is("${title}"))`);
  const toast = (page: Page, title: string): Locator => page.locator(".toast").filter({ hasText: title });
  const count = async (device: "this" | "second", what: string): Promise<string> =>
    (await aiko.page.locator(`[data-device="${device}"] [data-count="${what}"]`).textContent()) ?? "";
  const counts = async (device: "this" | "second"): Promise<string[]> =>
    Promise.all(["unread", "unseen", "seq"].map((what) => count(device, what)));
  const ownList = (): Locator => aiko.page.getByRole("list", { name: "Inbox", exact: true });
  const phoneList = (): Locator => aiko.page.getByRole("list", { name: "Inbox of the second device" });

  beforeAll(async () => {
    await mkdir(SHOTS, { recursive: true });
    server = await startServer();
    browser = await launchBrowser();
    aiko = await ChatWindow.open(browser, server.url, "Aiko");
    other = await ChatWindow.open(browser, server.url, "Aiko");
  }, 60_000);

  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });

  it("ring in every window of the user, with a toast, and in nobody else's", async () => {
    const ben = await ChatWindow.open(browser, server.url, "Ben");
    await bell(ben.page, 0).waitFor();
    for (const { page } of [aiko, other]) await bell(page, 0).waitFor();
    await send("Your order has shipped", { category: "order", body: "It comes on Tuesday." });
    for (const { page } of [aiko, other]) {
      await bell(page, 1).waitFor();
      await toast(page, "Your order has shipped").waitFor();
    }
    expect(await aiko.page.getByRole("region", { name: "New notifications" }).getAttribute("aria-live")).toBe("polite");
    expect(await ben.page.locator(".toast").count()).toBe(0);
    await bell(ben.page, 0).waitFor();
    await ben.context.close();
  });

  it("are seen on every device when the bell is opened on one, and stay unread", async () => {
    await bell(aiko.page, 1).click();
    await note(panel(aiko.page), "Your order has shipped").waitFor();
    await panel(aiko.page).getByText("1 unread").waitFor();
    await bell(aiko.page, 0).waitFor();
    await bell(other.page, 0).waitFor();
    await expect.poll(() => toast(aiko.page, "Your order has shipped").count(), PATIENT).toBe(0);
  });

  it("are marked read in one window and read in the other, and back", async () => {
    await bell(other.page, 0).click();
    const there = note(panel(other.page), "Your order has shipped");
    await note(panel(aiko.page), "Your order has shipped")
      .getByRole("button", { name: /^Mark .* read$/ })
      .click();
    await panel(other.page).getByText("nothing unread").waitFor();
    expect(await there.getAttribute("data-read")).toBe("true");
    await there.getByRole("button", { name: /^Mark .* unread$/ }).click();
    await panel(aiko.page).getByText("1 unread").waitFor();
    await panel(aiko.page).getByRole("button", { name: "Mark all read" }).click();
    await panel(other.page).getByText("nothing unread").waitFor();
  });

  it("that come while the bell is open are seen at once and make no toast", async () => {
    await send("Seen as it comes");
    await note(panel(aiko.page), "Seen as it comes").waitFor();
    await bell(aiko.page, 0).waitFor();
    expect(await toast(aiko.page, "Seen as it comes").count()).toBe(0);
  });

  it("close with Escape, and the focus is on the bell again", async () => {
    await aiko.page.keyboard.press("Escape");
    await panel(aiko.page).waitFor({ state: "detached" });
    expect(await bell(aiko.page, 0).evaluate((button) => button === document.activeElement)).toBe(true);
    await other.page.getByRole("heading", { level: 1, name: "lobby" }).click();
    await panel(other.page).waitFor({ state: "detached" });
  });

  it("show at most three toasts, which stay under the pointer", async () => {
    for (let number = 1; number <= 5; number++) await send(`Toast ${number}`);
    await toast(aiko.page, "Toast 5").waitFor();
    await expect.poll(() => aiko.page.locator(".toast").count(), PATIENT).toBe(3);
    await toast(aiko.page, "Toast 5").hover();
    await aiko.page.waitForTimeout(8_000);
    expect(await aiko.page.locator(".toast").count()).toBe(3);
    await toast(aiko.page, "Toast 4").getByRole("button", { name: "Dismiss" }).click();
    await toast(aiko.page, "Toast 4").waitFor({ state: "detached" });
    await aiko.page.mouse.move(300, 300);
    await expect.poll(() => aiko.page.locator(".toast").count(), PATIENT).toBe(0);
  });

  it("lead where they say, and are read then; nothing of the page runs what a url says", async () => {
    await send("Come to the lobby", { url: "/#/chat/summit" });
    await bell(aiko.page, 6).click();
    await panel(aiko.page).getByRole("link", { name: "Come to the lobby" }).click();
    await aiko.page.getByRole("heading", { level: 1, name: "summit" }).waitFor();
    await panel(aiko.page).waitFor({ state: "detached" });
    await bell(aiko.page, 0).click();
    expect(await note(panel(aiko.page), "Come to the lobby").getAttribute("data-read")).toBe("true");
    await aiko.page.keyboard.press("Escape");
  });

  it("count 99+ at most on the badge, and come page by page", async () => {
    await send("Before the many");
    for (let number = 1; number <= 110; number++)
      await send(`Many ${number}`, { category: number % 2 ? "odd" : "even" });
    await aiko.page.locator(".bell-badge").getByText("99+").waitFor();
    // What came while the page was open is all there; a new page begins with the newest.
    await aiko.page.reload();
    await bell(aiko.page, 111).click();
    const list = panel(aiko.page).getByRole("list", { name: "Inbox" });
    await note(panel(aiko.page), "Many 110").waitFor();
    expect(await list.getByRole("listitem").count()).toBe(20);
    await panel(aiko.page).getByRole("button", { name: "Load more" }).click();
    await expect.poll(() => list.getByRole("listitem").count(), PATIENT).toBe(40);
    await panel(aiko.page).getByRole("button", { name: "odd", exact: true }).click();
    await expect.poll(() => note(panel(aiko.page), "Many 110").count(), PATIENT).toBe(0);
    await note(panel(aiko.page), "Many 109").waitFor();
    await panel(aiko.page).getByRole("button", { name: "Mark all read" }).click();
    await panel(aiko.page).getByRole("button", { name: "Unread", exact: true }).click();
    await panel(aiko.page).getByText("All read", { exact: true }).waitFor();
    await panel(aiko.page).getByRole("button", { name: "All", exact: true }).click();
  });

  it("are archived with a way back, by keyboard, and the focus goes on", async () => {
    const first = note(panel(aiko.page), "Many 110");
    await first.getByRole("button", { name: "Archive “Many 110”" }).focus();
    await aiko.page.keyboard.press("Enter");
    await first.waitFor({ state: "detached" });
    const next = note(panel(aiko.page), "Many 109").getByRole("button", { name: /^Archive/ });
    await expect.poll(() => next.evaluate((button) => button === document.activeElement), PATIENT).toBe(true);
    await panel(aiko.page).getByRole("button", { name: "Undo" }).click();
    await first.waitFor();
    await first.getByRole("button", { name: /^Archive/ }).click();
    await bell(other.page, 0).click();
    await note(panel(other.page), "Many 109").waitFor();
    // Told when it cannot be taken back any more.
    await expect.poll(() => note(panel(other.page), "Many 110").count(), PATIENT).toBe(0);
    await other.page.keyboard.press("Escape");
    await aiko.page.keyboard.press("Escape");
  });

  it("show the same on a second device of the page", async () => {
    await aiko.page.getByRole("link", { name: "Inbox" }).click();
    await aiko.page.getByText("Both devices agree.").waitFor();
    expect(await counts("second")).toEqual(await counts("this"));
    await aiko.page.getByLabel("Title", { exact: true }).fill("From the form");
    await aiko.page.getByRole("button", { name: "Send", exact: true }).click();
    await aiko.page.getByText("Sent.", { exact: true }).waitFor();
    await note(ownList(), "From the form").waitFor();
    await note(phoneList(), "From the form").waitFor();
    await aiko.page.getByText("Both devices agree.").waitFor();
    expect(await count("second", "unread")).toBe("1");
    await note(phoneList(), "From the form")
      .getByRole("button", { name: /^Mark .* read$/ })
      .click();
    await expect.poll(() => count("this", "unread"), PATIENT).toBe("0");
    await aiko.page.getByText("Both devices agree.").waitFor();
    expect(await counts("second")).toEqual(await counts("this"));
  });

  it("reach a device that was offline, which ends with equal counts", async () => {
    await aiko.page.getByRole("switch", { name: "Offline" }).press("Space");
    await aiko.page.locator(".phone").getByText("No connection").waitFor();
    await aiko.page.locator(".phone").getByText("Offline. What you mark here").waitFor();
    for (let number = 1; number <= 3; number++) await send(`While it was away ${number}`);
    await note(ownList(), "While it was away 3").waitFor();
    await aiko.page.getByText("The second device is away").waitFor();
    expect(await note(phoneList(), "While it was away 1").count()).toBe(0);
    // Marked there without a connection, and here meanwhile.
    await note(phoneList(), "From the form")
      .getByRole("button", { name: /^Mark .* unread$/ })
      .click();
    await note(ownList(), "While it was away 2")
      .getByRole("button", { name: /^Mark .* read$/ })
      .click();
    await aiko.page.screenshot({ path: `${SHOTS}/notifications-away.png` });
    await aiko.page.getByRole("switch", { name: "Offline" }).press("Space");
    await note(phoneList(), "While it was away 3").waitFor();
    await aiko.page.getByText("Both devices agree.").waitFor();
    expect(await counts("second")).toEqual(await counts("this"));
    expect(await count("this", "unread")).toBe("3");
    expect(await note(phoneList(), "While it was away 2").getAttribute("data-read")).toBe("true");
    expect(await note(ownList(), "From the form").getAttribute("data-read")).toBe("false");
  });

  it("end when they expire, take each other's place, and are not sent twice", async () => {
    await send("Ends soon", { expiresAt: Date.now() + 2_500 });
    await note(ownList(), "Ends soon").waitFor();
    await note(ownList(), "Ends soon").waitFor({ state: "detached" });
    await send("First of its kind", { collapseKey: "k" });
    await note(phoneList(), "First of its kind").waitFor();
    await send("Second of its kind", { collapseKey: "k" });
    await note(phoneList(), "Second of its kind").waitFor();
    await expect.poll(() => note(phoneList(), "First of its kind").count(), PATIENT).toBe(0);
    await aiko.page.getByText("More", { exact: true }).click();
    await aiko.page.getByLabel("dedupKey").fill("once");
    for (const words of ["Sent.", "Nothing was added: this dedupKey has been used."]) {
      await aiko.page.getByRole("button", { name: "Send", exact: true }).click();
      await aiko.page.getByText(words, { exact: true }).waitFor();
    }
    await aiko.page.getByLabel("URL").fill("javascript:alert(1)");
    await aiko.page.getByRole("button", { name: "Send", exact: true }).click();
    await aiko.page.getByText(/^Not sent: .*http/).waitFor();
    await aiko.page.getByText("Both devices agree.").waitFor();
  });

  it("say when the inbox cannot be loaded, and load it when asked again", async () => {
    const page = other.page;
    await page.route("**/api/notifications?*", (route) => route.abort());
    await page.reload();
    await other.status("Connected");
    await page.getByRole("button", { name: /^Notifications/ }).click();
    await panel(page).getByText("The inbox could not be loaded.").waitFor();
    await page.screenshot({ path: `${SHOTS}/notifications-failed.png` });
    await page.unroute("**/api/notifications?*");
    await panel(page).getByRole("button", { name: "Retry" }).click();
    await note(panel(page), "Second of its kind").waitFor();
  });

  it("offer Web Push where the server has a key, and tell the server about the browser", async () => {
    const page = other.page;
    await other.context.grantPermissions(["notifications"], { origin: server.url });
    const key = `B${"A".repeat(86)}`;
    await page.route("**/api/notifications/push-key", (route) => route.fulfill({ json: { publicKey: key } }));
    const frames: string[] = [];
    page.on("websocket", (socket) => socket.on("framesent", ({ payload }) => frames.push(String(payload))));
    // No push service can be reached from here.
    await page.addInitScript(() => {
      const keys = { p256dh: `${"A".repeat(86)}E`, auth: "A".repeat(22) };
      const endpoint = "https://push.example/1";
      PushManager.prototype.subscribe = async () => ({ endpoint, toJSON: () => ({ endpoint, keys }) }) as never;
    });
    await page.goto(`${server.url}/#/notifications`);
    await page.reload();
    await page.getByRole("heading", { name: "Web Push" }).waitFor();
    await page.getByRole("button", { name: "Turn on" }).click();
    await expect.poll(() => frames.some((frame) => frame.includes("subscribe_push")), PATIENT).toBe(true);
    expect(frames.find((frame) => frame.includes("subscribe_push"))).toContain("https://push.example/1");
    // This server has no key, and says so.
    await page.getByText(/It could not be turned on: .*push/).waitFor();
    const worker = await page.evaluate(async () => (await navigator.serviceWorker.ready).active?.scriptURL);
    expect(worker).toBe(`${server.url}/push-worker.js`);
    await page.evaluate(async () => (await navigator.serviceWorker.ready).unregister());
    await page.unroute("**/api/notifications/push-key");
  });

  it("say so when an address names no page", async () => {
    await other.page.goto(`${server.url}/#/messages/456`);
    await other.page.getByRole("heading", { level: 1, name: "No such page" }).waitFor();
    await other.page.getByRole("link", { name: "To the chat" }).click();
    await other.page.getByRole("heading", { level: 1, name: "lobby" }).waitFor();
  });

  it("are shown wide and narrow, light and dark, in English and Japanese, with every control named", async () => {
    expect(await namelessControls(aiko.page)).toEqual([]);
    for (const colorScheme of ["light", "dark"] as const) {
      await aiko.page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      for (const [name, size] of [
        ["wide", WIDE],
        ["narrow", NARROW],
      ] as const) {
        await aiko.page.setViewportSize(size);
        await aiko.page.waitForTimeout(200);
        await aiko.page.screenshot({ path: `${SHOTS}/notifications-${name}-${colorScheme}.png` });
        // Filters scroll sideways.
        const out = await overflowing(aiko.page);
        expect(out.filter((element) => !/^(button\.filter|fieldset\.inbox-filters)$/.test(element))).toEqual([]);
        expect(await lowContrast(aiko.page)).toEqual([]);
        // Only the page scrolls, never the window with the header.
        await aiko.page.getByRole("switch", { name: "Offline" }).focus();
        expect(await aiko.page.evaluate(() => document.querySelector(".header")?.getBoundingClientRect().top)).toBe(0);
        await aiko.page.getByRole("button", { name: /^Notifications/ }).click();
        await panel(aiko.page).waitFor();
        await aiko.page.waitForTimeout(200);
        await aiko.page.screenshot({ path: `${SHOTS}/notifications-bell-${name}-${colorScheme}.png` });
        expect(await namelessControls(aiko.page)).toEqual([]);
        expect(await lowContrast(aiko.page)).toEqual([]);
        await aiko.page.keyboard.press("Escape");
      }
    }
    await aiko.page.setViewportSize(WIDE);
    await aiko.page.getByRole("button", { name: "Language: English" }).click();
    await aiko.page.getByText("両方の端末が一致しています。").waitFor();
    await aiko.page.screenshot({ path: `${SHOTS}/notifications-wide-dark-ja.png` });
    await aiko.page.getByRole("button", { name: "言語: 日本語" }).click();
  });

  it("complain about nothing", () => {
    // What these tests themselves broke, and the answer of a server that pushes nothing.
    const expected = /ERR_FAILED|ERR_ABORTED|ERR_INTERNET_DISCONNECTED|status of (400|404)/;
    expect([...aiko.complaints, ...other.complaints].filter((complaint) => !expected.test(complaint))).toEqual([]);
  });
});
