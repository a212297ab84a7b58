import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { startServer, until } from "../harness.ts";
import { launchBrowser } from "./browser.ts";

// A browser on a busy machine is slow.
vi.setConfig({ testTimeout: 120_000 });

describe("the pages of examples/feeds, each a plain EventSource (needs chromium)", () => {
  let browser: Browser;
  const closing: (() => unknown)[] = [];

  beforeAll(async () => {
    browser = await launchBrowser();
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
  });
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  async function open(name: string, before: (room: Room) => Promise<unknown>): Promise<{ page: Page; room: Room }> {
    const staticDir = fileURLToPath(new URL(`../../examples/feeds/${name}`, import.meta.url));
    const server = await startServer({ staticDir });
    closing.push(() => server.close());
    const room = server.room(`feed:${name}`);
    await before(room);
    const page = await browser.newPage();
    closing.push(() => page.close());
    await page.goto(server.url);
    return { page, room };
  }
  type Room = ReturnType<Awaited<ReturnType<typeof startServer>>["room"]>;

  it("news: the newest first, and a link only where it is one", async () => {
    const news = (title: string, link: string) => ["news", { title, link, published: "" }] as const;
    const { page, room } = await open("news", (room) => room.publish(...news("<b>First", "https://news.example/1")));
    await page.getByText("<b>First").waitFor();
    await room.publish(...news("Second", "javascript:alert(1)"));
    await page.getByText("Second").waitFor();
    expect(await page.locator("li").allTextContents()).toEqual(["Second", "<b>First"]);
    expect(await page.locator("a[href]").evaluateAll((all) => all.map((each) => each.getAttribute("href")))).toEqual([
      "https://news.example/1",
    ]);
  });

  it("prices: the newest of each", async () => {
    const price = (symbol: string, price: number, change: number) => ["price", { symbol, price, change }] as const;
    const { page, room } = await open("prices", (room) => room.publish(...price("ECHO", 120, 0)));
    await page.getByText("120.00").waitFor();
    await room.publish(...price("HILL", 48.5, 0.25));
    await room.publish(...price("ECHO", 121.5, 1.5));
    await page.getByText("121.50").waitFor();
    const rows = () => page.locator("tr").evaluateAll((all) => all.map((row) => row.textContent));
    await until(async () => (await rows()).length === 2);
    expect(await rows()).toEqual(["ECHO121.501.50", "HILL48.500.25"]);
  });

  it("log: every line", async () => {
    const { page, room } = await open("log", (room) => room.publish("line", { text: "one" }));
    await page.getByText("one").waitFor();
    await room.publish("line", { text: "<two>" });
    await page.getByText("<two>").waitFor();
    expect(await page.locator("pre").textContent()).toBe("one\n<two>\n");
  });
});
