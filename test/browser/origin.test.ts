import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Browser, Page, Request } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { curl, curlLines } from "../features/curl.ts";
import { until } from "../harness.ts";
import { launchBrowser } from "./browser.ts";
import { newDirectory, startServer } from "./server-process.ts";

// A browser on a busy machine is slow.
vi.setConfig({ testTimeout: 120_000 });

const path = (name: string): string => fileURLToPath(new URL(`../../examples/origin/${name}`, import.meta.url));

/** SHA-256 of the snippets as they stand in the origin document. */
const SNIPPETS = {
  "basic-client.js": "e62d0812dd293875a6126412422dfbcb342654ee1a4eaf227efc634ab858589a",
  "short-polling.js": "70705ed31e0e950d312eebce7cf0933593aa8bfe7d34e104aa8129d163afb793",
  "long-polling.js": "771c9da81663879b72e0ce17e81fdfd52c8509e152545b90a25873192a3734a6",
  "event-source.js": "e3493c1cbad34f3448e531064c031722b0b17b08ccf230e888b6a1adfd092aed",
};

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

describe("the origin document's snippets, in a browser (needs chromium and a build)", () => {
  let browser: Browser;
  let server: { url: string; stop(): void };

  beforeAll(async () => {
    browser = await launchBrowser();
    server = await startExample();
  }, 60_000);

  afterAll(async () => {
    await browser?.close();
    server?.stop();
  });

  async function open(url = server.url): Promise<Page> {
    const page = await browser.newPage();
    closing.push(() => page.close());
    // Time stands still but for what a test lets pass.
    await page.clock.install();
    await page.goto(url);
    return page;
  }

  const isFor = (request: Request, pathname: string): boolean => new URL(request.url()).pathname === pathname;

  it.each(Object.entries(SNIPPETS))("%s stands as it was written", (name, digest) => {
    expect(
      createHash("sha256")
        .update(readFileSync(path(name)))
        .digest("hex"),
    ).toBe(digest);
  });

  it("the server is of at most 20 lines", () => {
    expect(readFileSync(path("polling-server.mjs"), "utf8").trimEnd().split("\n").length).toBeLessThanOrEqual(20);
  });

  it("short polling: asks every 5 s, and is answered with the newest messages", async () => {
    const page = await open();
    const answers: Promise<unknown>[] = [];
    page.on("response", (response) => {
      if (isFor(response.request(), "/api/messages")) answers.push(response.json());
    });
    const content = await say(server.url, "short");
    await page.clock.runFor(3_000);
    expect(answers).toHaveLength(0);
    await page.clock.runFor(2_100);
    await until(() => answers.length === 1);
    expect(await answers[0]).toMatchObject({ cursor: expect.stringContaining("chat%3Alobby=") });
    const { messages } = (await answers[0]) as { messages: { type: string; payload: { content: string } }[] };
    expect(messages.at(-1)).toMatchObject({ type: "new_message", payload: { content } });
    await page.clock.runFor(10_000);
    await until(() => answers.length === 3);
    await Promise.all(answers);
  });

  it("long polling: waits until there is something, shows it, and asks again", async () => {
    const page = await open();
    for (const name of ["first", "second", "third"]) {
      await until(async () => (await connections(server.url, "poll")) === 1);
      const content = await say(server.url, name);
      await page.locator("li", { hasText: content }).waitFor();
    }
    expect(await page.locator("li").count()).toBe(3);
  });

  it("an EventSource of notifications: onmessage gets each, and only those of its user", async () => {
    const page = await open();
    const logged: string[] = [];
    page.on("console", (message) => {
      if (message.text().startsWith("New notification:")) logged.push(message.text());
    });
    const line = page.locator("pre", { hasText: "/api/notifications" });
    await line.waitFor();
    const [notify] = curlLines(`\`\`\`sh\n${await line.textContent()}\n\`\`\`\n`, server.url);
    await until(async () => (await connections(server.url, "sse")) === 1);
    await curl(notify!).text;
    await curl(notify!.map((word) => word.replace(/"guest-[^"]*"/, '"somebody else"'))).text;
    await curl(notify!.map((word) => word.replace("Hello!", "やまびこ"))).text;
    await until(() => logged.length === 2);
    const told = logged.map((text) => JSON.parse(text.slice("New notification:".length)));
    expect(told).toMatchObject([
      { type: "notification", payload: { type: "new_message", title: "Hello!" } },
      { type: "notification", payload: { type: "new_message", title: "やまびこ" } },
    ]);
  });
});

describe("a plain EventSource (needs chromium and a build)", () => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await launchBrowser();
  }, 60_000);

  afterAll(async () => {
    await browser?.close();
  });

  it("RES-1 comes back by itself after a restart of the server, and misses and repeats nothing", async () => {
    const directory = await newDirectory();
    closing.push(() => rm(directory, { recursive: true, force: true }));
    let server = await startServer({ directory });
    closing.push(() => server.stop());
    const page = await browser.newPage();
    closing.push(() => page.close());
    await page.goto(`${server.url}/healthz`);
    await page.evaluate(() => {
      const source = new EventSource("/api/events?roomId=lobby&roomId=second");
      source.onmessage = (event) => {
        const { payload, roomId, seq } = JSON.parse(event.data);
        document.body.append(
          Object.assign(document.createElement("li"), { textContent: `${roomId} ${seq} ${payload.content}` }),
        );
      };
      source.addEventListener("welcome", () => {
        document.body.dataset.welcomes = String(Number(document.body.dataset.welcomes ?? 0) + 1);
      });
    });
    const welcomes = (): Promise<number> => page.evaluate(() => Number(document.body.dataset.welcomes ?? 0));
    const told = (): Promise<string[]> => page.locator("li").allTextContents();
    await until(async () => (await welcomes()) === 1);
    await post(server.url, "lobby", "one");
    await post(server.url, "second", "two");
    await until(async () => (await told()).length === 2);
    await server.stop();
    server = await startServer({ directory, port: Number(new URL(server.url).port) });
    await post(server.url, "lobby", "three");
    await post(server.url, "lobby", "four");
    await post(server.url, "second", "five");
    await until(async () => (await told()).length === 5, 30_000);
    expect((await told()).sort()).toEqual([
      "chat:lobby 1 one",
      "chat:lobby 2 three",
      "chat:lobby 3 four",
      "chat:second 1 two",
      "chat:second 2 five",
    ]);
    expect(await welcomes()).toBe(2);
  });
});

/** Starts the example as a person would, on a free port. */
async function startExample(): Promise<{ url: string; stop(): void }> {
  const child = spawn(process.execPath, [path("polling-server.mjs")], {
    env: { ...process.env, PORT: "0" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.on("data", (chunk) => {
      const match = /listening on (\S+)/.exec(String(chunk));
      if (match !== null) resolve(match[1]!);
    });
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}`)));
  });
  return { url, stop: () => void child.kill() };
}

async function post(url: string, roomId: string, content: string): Promise<void> {
  const body = JSON.stringify({ type: "send_message", payload: { roomId, content } });
  const response = await fetch(`${url}/api/messages`, { method: "POST", body });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
}

/** Says something nobody said before. */
async function say(url: string, word: string): Promise<string> {
  const content = `${word} ${Math.random().toString(36).slice(2)}`;
  await post(url, "lobby", content);
  return content;
}

/** How many clients of a transport the server has now. */
async function connections(url: string, transport: "poll" | "sse"): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^yamabiko_connections\\{transport="${transport}"\\} (\\d+)$`, "m").exec(metrics)?.[1] ?? 0);
}
