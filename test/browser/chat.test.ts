import { mkdir } from "node:fs/promises";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { launchBrowser } from "./browser.ts";
import { ChatWindow, NARROW, WIDE } from "./chat-window.ts";
import { lowContrast, namelessControls, overflowing } from "./page-check.ts";
import { type ServerProcess, startServer } from "./server-process.ts";

const SHOTS = "test-results";

// A browser on a busy machine is slow; what matters here is what it shows.
vi.setConfig({ testTimeout: 120_000 });
const PATIENT = { timeout: 20_000 };

describe("the chat page in a browser (needs chromium and `npm run build`)", () => {
  let server: ServerProcess;
  let browser: Browser;
  let aiko: ChatWindow;
  let ben: ChatWindow;

  beforeAll(async () => {
    await mkdir(SHOTS, { recursive: true });
    server = await startServer();
    browser = await launchBrowser();
    aiko = await ChatWindow.open(browser, server.url, "Aiko");
    ben = await ChatWindow.open(browser, server.url, "Ben");
  }, 60_000);

  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });

  it("shows who is here", async () => {
    for (const window of [aiko, ben]) {
      await window.page.locator(".people-list").getByText("Aiko").waitFor();
      await window.page.locator(".people-list").getByText("Ben").waitFor();
      expect(await window.page.locator(".people-count").textContent()).toBe("2 people here");
    }
  });

  it("carries words both ways, each once, and shows typing and read marks", async () => {
    await aiko.say("Hello, valley!");
    await ben.sees("Hello, valley!");
    await ben.composer.pressSequentially("Hello, A");
    await aiko.page.getByText("Ben is typing…").waitFor();
    await ben.composer.fill("Hello, Aiko!");
    await ben.composer.press("Enter");
    await aiko.sees("Hello, Aiko!");
    await aiko.page.getByText("Ben is typing…").waitFor({ state: "detached" });
    await aiko.message("Hello, valley!").getByRole("img", { name: "Read", exact: true }).waitFor();
    await aiko.page.getByRole("img", { name: "Read up to here by Ben" }).waitFor();
    expect(await aiko.contents()).toEqual(["Hello, valley!", "Hello, Aiko!"]);
    expect(await ben.contents()).toEqual(["Hello, valley!", "Hello, Aiko!"]);
  });

  it("replies, and a click on the quote goes to what it quotes", async () => {
    await ben.tool("Hello, valley!", "Reply");
    await ben.say("The valley answers");
    const quote = aiko.message("The valley answers").getByRole("button", { name: /Aiko/ });
    await quote.click();
    await aiko.page.locator('.message[data-flash="true"]').waitFor();
  });

  it("edits the last own message with the arrow key, and Escape gives it up", async () => {
    await aiko.composer.press("ArrowUp");
    expect(await aiko.composer.inputValue()).toBe("Hello, valley!");
    await aiko.composer.press("Escape");
    expect(await aiko.composer.inputValue()).toBe("");
    await aiko.composer.press("ArrowUp");
    await aiko.composer.fill("Hello, mountain!");
    await aiko.composer.press("Enter");
    await ben.sees("Hello, mountain!");
    expect(await ben.message("Hello, mountain!").textContent()).toContain("(edited)");
  });

  it("reacts, counts, and takes a reaction off again", async () => {
    await ben.tool("Hello, mountain!", "React");
    await ben.page.getByRole("button", { name: "React with 🎉" }).click();
    const seen = aiko.message("Hello, mountain!").getByRole("button", { name: "🎉: Ben", exact: true });
    await seen.click();
    await ben.message("Hello, mountain!").getByRole("button", { name: "🎉: you, Aiko" }).waitFor();
    expect(await seen.count()).toBe(0);
    await aiko.message("Hello, mountain!").getByRole("button", { name: /🎉/, pressed: true }).click();
    await ben.message("Hello, mountain!").getByRole("button", { name: "🎉: you", exact: true }).waitFor();
  });

  it("completes and marks mentions", async () => {
    await ben.composer.pressSequentially("@ai");
    await ben.page.getByRole("option", { name: "Aiko" }).waitFor();
    await ben.composer.press("Enter");
    await ben.composer.pressSequentially("are you there?");
    await ben.composer.press("Enter");
    await aiko.sees("@Aiko are you there?");
    await aiko.page.locator('mark.mention[data-me="true"]').waitFor();
  });

  it("does not send what an input method is still composing", async () => {
    const session = await aiko.context.newCDPSession(aiko.page);
    await aiko.composer.focus();
    await session.send("Input.imeSetComposition", { text: "やまびこ", selectionStart: 4, selectionEnd: 4 });
    await session.send("Input.dispatchKeyEvent", { type: "rawKeyDown", windowsVirtualKeyCode: 229, key: "Process" });
    await session.send("Input.insertText", { text: "山彦" });
    expect(await aiko.composer.inputValue()).toBe("山彦");
    await aiko.composer.press("Enter");
    await ben.sees("山彦");
  });

  it("deletes after a question, and leaves a tombstone", async () => {
    await ben.tool("The valley answers", "Delete");
    await ben.page.getByRole("button", { name: "Cancel" }).click();
    await ben.tool("The valley answers", "Delete");
    await ben.page
      .getByRole("toolbar", { name: "Delete this message?" })
      .getByRole("button", { name: "Delete" })
      .click();
    await aiko.sees("This message was deleted.");
    expect(await aiko.contents()).not.toContain("The valley answers");
  });

  it("catches up with what was missed after a cut, each once", async () => {
    await ben.context.setOffline(true);
    await ben.page.getByRole("button", { name: "Cut connection" }).click();
    await ben.page.getByText(/Connection lost/).waitFor();
    await aiko.say("Said while Ben was away 1");
    await aiko.say("Said while Ben was away 2");
    await aiko.message("Said while Ben was away 2").getByRole("img", { name: "Delivered" }).waitFor();
    expect(await ben.message("Said while Ben was away 1").count()).toBe(0);
    await ben.context.setOffline(false);
    await ben.sees("Said while Ben was away 2");
    await ben.page.getByText("Back; caught up 2 events.").waitFor();
    const seen = (await ben.contents()).filter((content) => content.startsWith("Said while"));
    expect(seen).toEqual(["Said while Ben was away 1", "Said while Ben was away 2"]);
    expect(await ben.fact("reconnect").textContent()).toMatch(/\d\d:\d\d/);
    expect(await ben.fact("order").textContent()).toBe("no gap, no repeat");
  });

  it("keeps what is written offline over a reload and delivers it once, in order", async () => {
    await ben.page.getByRole("button", { name: "Go offline" }).click();
    await ben.status("Offline");
    await ben.say("Written offline 1");
    await ben.say("Written offline 2");
    const waiting = ben.page.locator('.message[data-delivery="queued"]');
    await ben.page.getByText("What you write waits here").waitFor();
    await expect.poll(() => waiting.count(), PATIENT).toBe(2);
    await ben.page.reload();
    await ben.status("Offline");
    await ben.sees("Written offline 2");
    expect(await waiting.count()).toBe(2);
    expect(await ben.fact("outbox").textContent()).toBe("2 messages");
    await ben.page.screenshot({ path: `${SHOTS}/chat-offline.png` });
    await ben.page.locator(".banner").getByRole("button", { name: "Go online" }).click();
    await aiko.sees("Written offline 2");
    await expect.poll(() => waiting.count(), PATIENT).toBe(0);
    for (const window of [aiko, ben]) {
      const seen = (await window.contents()).filter((content) => content.startsWith("Written offline"));
      expect(seen).toEqual(["Written offline 1", "Written offline 2"]);
    }
    expect(await ben.fact("outbox").textContent()).toBe("empty");
  });

  it("counts unread messages and mentions in another room, and draws a line there", async () => {
    await aiko.enter("summit");
    await aiko.page.getByText("Nothing here yet").waitFor();
    await aiko.turnTo("lobby");
    await ben.enter("summit");
    await ben.say("Up here");
    await ben.composer.pressSequentially("@Ai");
    await ben.composer.press("Enter");
    await ben.composer.pressSequentially("come up");
    await ben.composer.press("Enter");
    await aiko.room("summit").getByText("2 unread messages").waitFor({ state: "attached" });
    await aiko.room("summit").getByText("1 mention of you").waitFor({ state: "attached" });
    await aiko.page.screenshot({ path: `${SHOTS}/chat-unread.png` });
    await aiko.turnTo("summit");
    await aiko.page.locator('[data-row="unread"]').waitFor();
    await aiko.room("summit").getByText("2 unread messages").waitFor({ state: "detached" });
    await ben.page.getByRole("img", { name: "Read up to here by Aiko" }).waitFor();
    await ben.turnTo("lobby");
  });

  it("leaves a room by keyboard, for good until it is entered again", async () => {
    await aiko.enter("cellar");
    await aiko.say("Down here");
    await aiko.message("Down here").getByRole("img", { name: "Delivered", exact: true }).waitFor();
    await aiko.room("cellar").focus();
    await aiko.page.keyboard.press("Tab");
    await aiko.page.keyboard.press("Enter");
    await aiko.page.getByRole("heading", { level: 1, name: "lobby" }).waitFor();
    await aiko.room("cellar").waitFor({ state: "detached" });
    expect(await aiko.room("lobby").evaluate((link) => link === document.activeElement)).toBe(true);
    expect(await aiko.page.getByRole("button", { name: "Leave lobby" }).count()).toBe(0);
    await aiko.page.reload();
    await aiko.status("Connected");
    await aiko.room("summit").waitFor();
    expect(await aiko.room("cellar").count()).toBe(0);
    await aiko.enter("cellar");
    await aiko.sees("Down here");
    await aiko.page.getByRole("button", { name: "Leave cellar" }).click();
    await aiko.room("cellar").waitFor({ state: "detached" });
  });

  it("says what is wrong with a room name", async () => {
    await aiko.page.getByLabel("Join or create a room").fill("a<b>");
    await aiko.page.getByRole("button", { name: "Join", exact: true }).click();
    await aiko.page.getByText("Only letters, digits").waitFor();
    await aiko.page.getByLabel("Join or create a room").fill("");
  });

  it("pages through history without moving what is being read", async () => {
    await aiko.enter("archive");
    for (let number = 1; number <= 120; number++) await aiko.say(`Entry ${number}`);
    await aiko.message("Entry 120").getByRole("img", { name: "Delivered" }).waitFor();
    await ben.enter("archive");
    await ben.sees("Entry 120");
    expect(await ben.log.locator(".message").count()).toBeLessThan(120);
    const top = ben.page.locator(".message").first();
    const before = await top.getAttribute("data-seq");
    const place = ben.page.locator(`#message-${before}`);
    await ben.log.evaluate((log) => log.scrollTo(0, 100));
    const y = await place.evaluate((row) => row.getBoundingClientRect().top);
    await ben.page.locator(`#message-${Number(before) - 1}`).waitFor({ state: "attached" });
    const moved = (await place.evaluate((row) => row.getBoundingClientRect().top)) - y;
    expect(Math.abs(moved)).toBeLessThan(30);
    await aiko.say("Entry 121");
    await ben.page.getByRole("button", { name: "1 new message" }).waitFor();
    await expect
      .poll(async () => {
        await ben.log.evaluate((log) => log.scrollTo(0, 0));
        return ben.page.getByText("The beginning of this room").count();
      }, PATIENT)
      .toBe(1);
    await ben.page.getByRole("button", { name: "1 new message" }).click();
    await ben.page.getByRole("button", { name: "1 new message" }).waitFor({ state: "detached" });
    const entries = (await ben.contents()).filter((content) => content.startsWith("Entry"));
    expect(entries).toEqual(Array.from({ length: 121 }, (_, index) => `Entry ${index + 1}`));
  });

  it("opens a room where the unread begins when there is more than fits", async () => {
    await aiko.message("Entry 121").getByRole("img", { name: "Read", exact: true }).waitFor();
    await ben.turnTo("lobby");
    for (let number = 1; number <= 30; number++) await aiko.say(`Later ${number}`);
    await ben.room("archive").getByText("30 unread messages").waitFor({ state: "attached" });
    await ben.turnTo("archive");
    const line = ben.page.locator('[data-row="unread"]');
    await line.waitFor();
    expect((await line.boundingBox())?.y).toBeGreaterThan(100);
    await ben.page.screenshot({ path: `${SHOTS}/chat-unread-line.png` });
    await ben.page.getByRole("button", { name: "30 new messages" }).click();
    await ben.room("archive").getByText("30 unread messages").waitFor({ state: "detached" });
    await ben.composer.fill("many\nlines\n".repeat(8));
    await aiko.say("Still at the end?");
    await ben.sees("Still at the end?");
    expect(await ben.page.getByRole("button", { name: /Jump to latest|new message/ }).count()).toBe(0);
    await ben.composer.fill("");
    await aiko.turnTo("lobby");
    await ben.turnTo("lobby");
  });

  it("reports a message that is refused, and lets it be given up", async () => {
    // A zero-width space is not blank to the browser and is to the server.
    await aiko.say("\u200b");
    const failed = aiko.page.locator(".failed");
    await failed.getByText("Not sent:").waitFor();
    await failed.getByRole("button", { name: "Discard" }).click();
    await failed.waitFor({ state: "detached" });
  });

  it("turns the room list into a drawer on a narrow screen", async () => {
    await aiko.page.setViewportSize(NARROW);
    const rooms = aiko.page.getByRole("complementary", { name: "Rooms" });
    await expect.poll(() => rooms.isVisible(), PATIENT).toBe(false);
    await aiko.page.getByRole("button", { name: "Show rooms" }).click();
    await rooms.waitFor();
    await aiko.page.waitForTimeout(250);
    await aiko.page.screenshot({ path: `${SHOTS}/chat-narrow-drawer.png` });
    await aiko.page.keyboard.press("Escape");
    await expect.poll(() => rooms.isVisible(), PATIENT).toBe(false);
    expect(await overflowing(aiko.page)).toEqual([]);
    await aiko.page.getByRole("button", { name: "People and connection" }).click();
    await aiko.page.getByRole("button", { name: "Cut connection" }).waitFor();
    await aiko.page.waitForTimeout(250);
    await aiko.page.screenshot({ path: `${SHOTS}/chat-narrow-details.png` });
    await aiko.page.keyboard.press("Escape");
    await aiko.page.setViewportSize(WIDE);
  });

  it("names every control, has its landmarks, and is walked through by keyboard", async () => {
    expect(await namelessControls(aiko.page)).toEqual([]);
    for (const role of ["banner", "main", "log"] as const) expect(await aiko.page.getByRole(role).count()).toBe(1);
    expect(await aiko.page.getByRole("heading", { level: 1 }).count()).toBe(1);
    await aiko.composer.focus();
    await aiko.page.keyboard.press("Shift+Tab");
    await aiko.page.keyboard.press("Home");
    await expect
      .poll(() => aiko.page.evaluate(() => document.activeElement?.classList.contains("message")), PATIENT)
      .toBe(true);
    const tools = aiko.page.getByRole("toolbar", { name: "Actions" });
    await tools.waitFor();
    await aiko.page.keyboard.press("Tab");
    expect(await namelessControls(aiko.page)).toEqual([]);
  });

  it("is shown wide and narrow, light and dark, in English and Japanese", async () => {
    for (const colorScheme of ["light", "dark"] as const) {
      await aiko.page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      for (const [name, size] of [
        ["wide", WIDE],
        ["narrow", NARROW],
      ] as const) {
        await aiko.page.setViewportSize(size);
        await aiko.page.mouse.move(0, 0);
        await aiko.page.waitForTimeout(100);
        await aiko.page.screenshot({ path: `${SHOTS}/chat-${name}-${colorScheme}.png` });
        expect(await overflowing(aiko.page)).toEqual([]);
        expect(await lowContrast(aiko.page)).toEqual([]);
      }
    }
    await aiko.page.setViewportSize(WIDE);
    await aiko.page.getByRole("button", { name: "Language: English" }).click();
    await aiko.page.getByRole("button", { name: "接続を切る" }).waitFor();
    await aiko.page.screenshot({ path: `${SHOTS}/chat-wide-dark-ja.png` });
    await aiko.page.getByRole("button", { name: "言語: 日本語" }).click();
  });

  it("signs out, and says when the server cannot be reached", async () => {
    await aiko.page.getByRole("button", { name: "Sign out" }).click();
    await aiko.page.getByLabel("Your name").waitFor();
    await aiko.page.emulateMedia({ colorScheme: "light" });
    await aiko.page.route("**/api/dev/token", (route) => route.abort());
    await aiko.page.getByRole("button", { name: "Enter" }).click();
    await aiko.page.getByText("cannot be reached").waitFor();
    await aiko.page.screenshot({ path: `${SHOTS}/sign-in.png` });
    expect(await namelessControls(aiko.page)).toEqual([]);
  });

  it("complains about nothing", () => {
    const expected = /ERR_FAILED|ERR_ABORTED|ERR_INTERNET_DISCONNECTED/; // what these tests themselves broke
    expect([...aiko.complaints, ...ben.complaints].filter((complaint) => !expected.test(complaint))).toEqual([]);
  });
});
