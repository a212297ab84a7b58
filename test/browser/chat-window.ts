import type { Browser, BrowserContext, Locator, Page } from "playwright-core";

/** Sizes the pages are made for. */
export const WIDE = { width: 1280, height: 800 } as const;
export const NARROW = { width: 390, height: 844 } as const;

/** A step that takes longer than this has failed. */
const STEP_MS = 20_000;

/** One person at one window of the playground, with the words of the page instead of its markup. */
export class ChatWindow {
  readonly page: Page;
  readonly context: BrowserContext;
  /** What the page threw or logged as an error. */
  readonly complaints: string[] = [];

  private constructor(page: Page, context: BrowserContext) {
    this.page = page;
    this.context = context;
    page.on("pageerror", (error) => this.complaints.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error") this.complaints.push(message.text());
    });
  }

  /** Opens the playground and signs in. */
  static async open(browser: Browser, url: string, name: string, viewport: Size = WIDE): Promise<ChatWindow> {
    const context = await browser.newContext({ viewport, locale: "en-GB", timezoneId: "Europe/London" });
    const page = await context.newPage();
    page.setDefaultTimeout(STEP_MS);
    const window = new ChatWindow(page, context);
    await page.goto(url);
    await page.getByLabel("Your name").fill(name);
    await page.getByRole("button", { name: "Enter" }).click();
    await window.status("Connected");
    return window;
  }

  /** Waits until the connection stands so. */
  async status(word: string): Promise<void> {
    await this.page.locator(".chip").getByText(word).waitFor({ state: "attached" });
  }

  /** The field messages are written in. */
  get composer(): Locator {
    return this.page.locator("textarea.composer-field");
  }

  /** The log of messages. */
  get log(): Locator {
    return this.page.getByRole("log");
  }

  /** Writes and sends. */
  async say(content: string): Promise<void> {
    await this.composer.fill(content);
    await this.composer.press("Enter");
  }

  /** The message with exactly these words. */
  message(content: string): Locator {
    return this.log
      .locator(".message")
      .filter({ has: this.page.locator(".message-text", { hasText: exactly(content) }) });
  }

  /** Waits for the message. */
  async sees(content: string): Promise<void> {
    await this.message(content).waitFor();
  }

  /** The words of every message shown, in order. */
  async contents(): Promise<string[]> {
    return this.log.locator(".message-text").allInnerTexts();
  }

  /** Uses one of the tools of a message. */
  async tool(content: string, name: string): Promise<void> {
    await this.message(content).hover();
    await this.message(content).getByRole("button", { name, exact: true }).click();
  }

  /** The value beside a name in the connection panel. */
  fact(id: string): Locator {
    return this.page.locator(`[data-fact="${id}"] dd`);
  }

  /** Goes to a room by the field in the list. */
  async enter(room: string): Promise<void> {
    await this.page.getByLabel("Join or create a room").fill(room);
    await this.page.getByRole("button", { name: "Join", exact: true }).click();
    await this.page.getByRole("heading", { level: 1, name: room }).waitFor();
  }

  /** Goes to a room of the list. */
  async turnTo(room: string): Promise<void> {
    await this.room(room).click();
    await this.page.getByRole("heading", { level: 1, name: room }).waitFor();
  }

  /** A room in the list. */
  room(name: string): Locator {
    return this.page
      .locator(".room-link")
      .filter({ has: this.page.locator(".room-title", { hasText: exactly(name) }) });
  }
}

type Size = { readonly width: number; readonly height: number };

function exactly(words: string): RegExp {
  return new RegExp(`^\\s*${words.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}\\s*(\\(edited\\))?\\s*$`);
}
