import { mkdir } from "node:fs/promises";
import type { Browser, Locator } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { launchBrowser } from "./browser.ts";
import { ChatWindow, NARROW, WIDE } from "./chat-window.ts";
import { lowContrast, namelessControls, overflowing } from "./page-check.ts";
import { type ServerProcess, startServer } from "./server-process.ts";

const SHOTS = "test-results";

// A browser on a busy machine is slow; what matters here is what it shows.
vi.setConfig({ testTimeout: 120_000 });
const PATIENT = { timeout: 20_000 };

describe("documents in a browser (needs chromium and `npm run build`)", () => {
  let server: ServerProcess;
  let browser: Browser;
  let aiko: ChatWindow;
  let ben: ChatWindow;

  const editor = ({ page }: ChatWindow): Locator => page.getByRole("textbox", { name: /^Text of / });
  const textOf = async (window: ChatWindow): Promise<string> =>
    (await window.page.locator(".cm-line").allTextContents()).join("\n");
  const status = (window: ChatWindow, word: string): Promise<void> =>
    window.page.locator(".document-status", { hasText: word }).waitFor();
  const equal = (text: string): Promise<void> =>
    vi.waitFor(async () => {
      // A caret's name stands in the line it is in.
      for (const { page } of [aiko, ben]) {
        const shown = await page.locator(".cm-content").evaluate((content) => {
          const copy = content.cloneNode(true) as HTMLElement;
          for (const caret of copy.querySelectorAll(".yamabiko-caret, .cm-widgetBuffer")) caret.remove();
          return Array.from(copy.querySelectorAll(".cm-line"), (line) => line.textContent).join("\n");
        });
        expect(shown).toBe(text);
      }
    }, PATIENT);

  beforeAll(async () => {
    await mkdir(SHOTS, { recursive: true });
    server = await startServer();
    browser = await launchBrowser();
    aiko = await ChatWindow.open(browser, server.url, "Aiko");
    ben = await ChatWindow.open(browser, server.url, "Ben");
    for (const { page } of [aiko, ben]) await page.goto(`${server.url}/#/documents/minutes`);
    for (const window of [aiko, ben]) await status(window, "Saved");
  }, 90_000);

  afterAll(async () => {
    await browser?.close();
    await server?.stop();
  });

  it("two people write in one text, see each other's carets, and undo only what is theirs", async () => {
    await editor(aiko).click();
    await aiko.page.keyboard.type("# Minutes\n\nWe met 👨‍👩‍👧‍👦.\n");
    await equal("# Minutes\n\nWe met 👨‍👩‍👧‍👦.\n");
    await ben.page.locator(".yamabiko-caret-name", { hasText: "Aiko" }).waitFor({ state: "attached" });
    await editor(ben).click();
    await ben.page.keyboard.press("Control+Home");
    await ben.page.keyboard.type("Draft. ");
    await equal("Draft. # Minutes\n\nWe met 👨‍👩‍👧‍👦.\n");
    await aiko.page.locator(".document-people", { hasText: "Ben" }).waitFor();
    await aiko.page.keyboard.press("Control+z");
    await vi.waitFor(async () => expect(await textOf(aiko)).toMatch(/^Draft\. /), PATIENT);
    await aiko.page.keyboard.press("Control+y");
    await equal("Draft. # Minutes\n\nWe met 👨‍👩‍👧‍👦.\n");
    await aiko.page.screenshot({ path: `${SHOTS}/documents.png` });
  });

  it("what is written offline is kept over a reload and merged when the connection is back", async () => {
    await aiko.page.getByRole("button", { name: "Go offline" }).click();
    await status(aiko, "Offline");
    await editor(aiko).click();
    await aiko.page.keyboard.press("Control+End");
    await aiko.page.keyboard.type("Aiko was offline.");
    await editor(ben).click();
    await ben.page.keyboard.press("Control+Home");
    await ben.page.keyboard.type("Second ");
    // Stored a moment after the last key.
    await vi.waitFor(async () => {
      const stored = await aiko.page.evaluate(() => sessionStorage.getItem("yamabiko.document.aiko.minutes"));
      expect(stored).toContain("offline.");
    }, PATIENT);
    await aiko.page.reload();
    await vi.waitFor(async () => expect(await textOf(aiko)).toContain("Aiko was offline."), PATIENT);
    await aiko.page.getByRole("button", { name: "Go online" }).click();
    await status(aiko, "Saved");
    await equal("Second Draft. # Minutes\n\nWe met 👨‍👩‍👧‍👦.\nAiko was offline.");
  });

  it("a plain text area edits the same text, and undo there leaves others' edits alone", async () => {
    await ben.page.getByRole("combobox", { name: "View" }).selectOption("Plain text area");
    const area = ben.page.locator("textarea.document-plain");
    await area.click();
    await ben.page.keyboard.press("Control+End");
    await ben.page.keyboard.type(" Ben too.");
    await vi.waitFor(async () => expect(await textOf(aiko)).toContain("offline. Ben too."), PATIENT);
    await editor(aiko).click();
    await aiko.page.keyboard.press("Control+Home");
    await aiko.page.keyboard.type("> ");
    await vi.waitFor(async () => expect(await area.inputValue()).toMatch(/^> Second/), PATIENT);
    // The selection stays with its text.
    expect(await area.evaluate((element) => (element as HTMLTextAreaElement).selectionStart)).toBe(
      (await area.inputValue()).length,
    );
    await area.focus();
    await ben.page.keyboard.press("Control+z");
    await vi.waitFor(async () => expect(await area.inputValue()).not.toContain("Ben too"), PATIENT);
    expect(await area.inputValue()).toMatch(/^> Second/);
    await ben.page.keyboard.press("Control+y");
    await vi.waitFor(async () => expect(await textOf(aiko)).toContain("Ben too."), PATIENT);
    await ben.page.getByRole("combobox", { name: "View" }).selectOption("Editor");
  });

  it("the history shows the text as it was, and brings it back", async () => {
    await aiko.page.getByRole("button", { name: "History" }).click();
    const slider = aiko.page.getByRole("slider");
    await slider.fill("0");
    const past = aiko.page.locator(".time-travel-text");
    await vi.waitFor(async () => expect(await past.inputValue()).toBe(""), PATIENT);
    await slider.fill("3");
    await vi.waitFor(async () => expect((await past.inputValue()).length).toBeGreaterThan(0), PATIENT);
    const then = await past.inputValue();
    await aiko.page.locator(".time-travel-bar [role=status]", { hasText: "aiko" }).waitFor();
    await aiko.page.screenshot({ path: `${SHOTS}/documents-history.png` });
    await aiko.page.getByRole("button", { name: "Restore this version" }).click();
    await equal(then);
  });

  it("Markdown shows beside the text, and nothing in it runs", async () => {
    await editor(aiko).click();
    await aiko.page.keyboard.press("Control+a");
    await aiko.page.keyboard.insertText(
      "# Title\n\n<img src=x onerror=alert(1)> [a](javascript:alert(1)) [b](https://example.com)",
    );
    const preview = ben.page.getByRole("region", { name: "Preview" });
    await preview.getByRole("heading", { name: "Title" }).waitFor();
    expect(await preview.locator("img").count()).toBe(0);
    expect(await preview.locator("a").count()).toBe(1);
    expect(await preview.locator("a").getAttribute("rel")).toContain("noopener");
  });

  it("a new document is in everybody's list", async () => {
    await aiko.page.getByLabel("New document").fill("計画 2026");
    await aiko.page.getByRole("button", { name: "Create" }).click();
    await aiko.page.getByRole("heading", { name: "計画-2026" }).waitFor();
    await ben.page.getByRole("link", { name: "計画-2026" }).waitFor();
  });

  it("fits and can be read, wide and narrow, light and dark, in both languages", async () => {
    const { page } = aiko;
    await page.goto(`${server.url}/#/documents/minutes`);
    await status(aiko, "Saved");
    for (const viewport of [WIDE, NARROW]) {
      await page.setViewportSize(viewport);
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme });
        expect(await overflowing(page)).toEqual([]);
        expect(await lowContrast(page)).toEqual([]);
        await page.screenshot({
          path: `${SHOTS}/documents-${viewport === WIDE ? "wide" : "narrow"}-${colorScheme}.png`,
        });
      }
    }
    expect(await namelessControls(page)).toEqual([]);
    for (const { complaints } of [aiko, ben]) expect(complaints).toEqual([]);
  });
});
