import { type AddressInfo, connect, createServer, type Server } from "node:net";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { launchBrowser } from "./browser.ts";
import { ChatWindow } from "./chat-window.ts";
import { type ServerProcess, startServer } from "./server-process.ts";

vi.setConfig({ testTimeout: 120_000 });

interface Bytes {
  in: number;
  out: number;
}

/** A hop between browser and server that counts what passes, for what the lab's transports are about. */
class Wire {
  readonly http: Bytes = { in: 0, out: 0 };
  readonly webSocket: Bytes = { in: 0, out: 0 };
  readonly #hop: Server;

  constructor(port: number) {
    this.#hop = createServer((client) => {
      const server = connect(port, "127.0.0.1");
      const own: Bytes = { in: 0, out: 0 };
      let counted: Bytes | null = null;
      client.on("data", (chunk) => {
        const path = /^(?:GET|POST) (\/[^ ?]*)/.exec(chunk.toString("latin1"))?.[1];
        if (path === "/ws") counted = own;
        else if (path !== undefined) counted = /^\/api\/(messages|events)/.test(path) ? this.http : null;
        if (counted !== null) counted.out += chunk.length;
        server.write(chunk);
      });
      server.on("data", (chunk) => {
        if (counted !== null) counted.in += chunk.length;
        // Of the window's own socket and the lab's, only one carries prices.
        if (counted === own && chunk.includes('"price"')) {
          this.webSocket.in += own.in;
          this.webSocket.out += own.out;
          counted = this.webSocket;
        }
        client.write(chunk);
      });
      for (const [one, another] of [
        [client, server],
        [server, client],
      ] as const) {
        one.on("error", () => {});
        one.on("close", () => another.destroy());
      }
    });
  }

  async open(): Promise<string> {
    await new Promise<void>((resolve) => this.#hop.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#hop.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#hop.close();
  }
}

/** What the lab says of a transport, in bytes. */
async function said(page: Page, transport: string): Promise<Bytes> {
  const read = async (fact: string): Promise<number> => {
    const text = await page.locator(`[data-transport="${transport}"] [data-fact="${fact}"] dd`).textContent();
    const [, value = "", unit = ""] = /([\d.]+) (\w+)/.exec(text ?? "") ?? [];
    return Number(value) * (unit === "kB" ? 1_000 : 1);
  };
  return { in: await read("in"), out: await read("out") };
}

describe("the bytes the lab shows (needs chromium and `npm run build`)", () => {
  let server: ServerProcess;
  let wire: Wire;
  let browser: Browser;

  beforeAll(async () => {
    server = await startServer();
    wire = new Wire(Number(new URL(server.url).port));
    browser = await launchBrowser();
  }, 60_000);

  afterAll(async () => {
    await browser?.close();
    wire?.close();
    await server?.stop();
  });

  it("are those that go over the wire, to a tenth", async () => {
    const { page } = await ChatWindow.open(browser, await wire.open(), "Aiko");
    await page.getByRole("link", { name: "Lab" }).click();
    const received = page.locator('[data-transport="polling"] [data-fact="received"] dd');
    await vi.waitUntil(async () => Number(await received.textContent()) >= 60, { timeout: 60_000 });
    await page.getByRole("button", { name: "Pause" }).click();
    await page.waitForTimeout(3_000);
    const { http, webSocket } = { http: { ...wire.http }, webSocket: { ...wire.webSocket } };
    const overHttp = await Promise.all(["sse", "long-polling", "polling"].map((one) => said(page, one)));
    const sum = (way: keyof Bytes): number => overHttp.reduce((all, one) => all + one[way], 0);
    const shown = await said(page, "websocket");
    const ratios = [sum("in") / http.in, sum("out") / http.out, shown.in / webSocket.in, shown.out / webSocket.out];
    for (const ratio of ratios) expect(Math.abs(ratio - 1), String(ratios)).toBeLessThan(0.1);
  });
});
