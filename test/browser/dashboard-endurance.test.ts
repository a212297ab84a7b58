import { mkdir, writeFile } from "node:fs/promises";
import type { Browser, CDPSession } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { launchBrowser } from "./browser.ts";
import { ChatWindow } from "./chat-window.ts";
import { type ServerProcess, startServer } from "./server-process.ts";

/** How long the page stays open; `TEST_DASHBOARD_MINUTES=30` is the long form. */
const MINUTES = Number(process.env.TEST_DASHBOARD_MINUTES ?? 0.15);
const SAMPLES = MINUTES < 1 ? 6 : 30;
const RESULT = "test-results/dashboard-endurance.json";

interface Sample {
  readonly minute: number;
  /** After a forced garbage collection. */
  readonly heapBytes: number;
  readonly nodes: number;
  readonly listeners: number;
}

describe("the dashboard left open (needs chromium and `npm run build`)", () => {
  let server: ServerProcess;
  let browser: Browser;
  let feed: ReturnType<typeof setInterval>;

  beforeAll(async () => {
    await mkdir("test-results", { recursive: true });
    server = await startServer();
    browser = await launchBrowser();
    feed = setInterval(() => {
      const values = Object.fromEntries(
        Array.from({ length: 20 }, (_, index) => [`line_${index}`, Math.random() * 100]),
      );
      void fetch(`${server.url}/api/dashboards/busy`, { method: "POST", body: JSON.stringify(values) }).catch(() => {});
    }, 100);
  }, 60_000);

  afterAll(async () => {
    clearInterval(feed);
    await browser?.close();
    await server?.stop();
  });

  it(
    "keeps neither objects nor elements of what has passed",
    async () => {
      const aiko = await ChatWindow.open(browser, server.url, "Aiko");
      const { page } = aiko;
      await page.goto(`${server.url}/#/dashboard/busy`);
      // A full window from the beginning on: what fills it is no growth.
      await page.locator(".panel").nth(19).waitFor();
      const session = await aiko.context.newCDPSession(page);
      await session.send("HeapProfiler.enable");
      await session.send("Performance.enable");
      const samples: Sample[] = [];
      const began = Date.now();
      for (let index = 0; index <= SAMPLES; index++) {
        const due = began + (index * MINUTES * 60_000) / SAMPLES;
        await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - Date.now())));
        samples.push(await sample(session, (Date.now() - began) / 60_000));
        await writeFile(RESULT, JSON.stringify(samples, null, 2));
      }
      // The window of the chart has filled by then, and what is compiled late has been.
      const settled = samples[Math.floor(SAMPLES / 3)]!;
      const last = samples.at(-1)!;
      console.log(`${MINUTES} min: ${words(samples[0]!)}; a third: ${words(settled)}; last: ${words(last)}`);
      expect(last.nodes).toBeLessThanOrEqual(settled.nodes * 1.05 + 100);
      expect(last.listeners).toBeLessThanOrEqual(settled.listeners + 20);
      expect(last.heapBytes).toBeLessThan(settled.heapBytes * 1.1 + 2_000_000);
      expect(aiko.complaints).toEqual([]);
    },
    MINUTES * 60_000 + 120_000,
  );
});

async function sample(session: CDPSession, minute: number): Promise<Sample> {
  await session.send("HeapProfiler.collectGarbage");
  const { metrics } = await session.send("Performance.getMetrics");
  const of = (name: string): number => metrics.find((metric) => metric.name === name)?.value ?? 0;
  return {
    minute: Math.round(minute * 10) / 10,
    heapBytes: of("JSHeapUsedSize"),
    nodes: of("Nodes"),
    listeners: of("JSEventListeners"),
  };
}

function words({ heapBytes, nodes, listeners }: Sample): string {
  return `heap ${(heapBytes / 1e6).toFixed(2)} MB, ${nodes} nodes, ${listeners} listeners`;
}
