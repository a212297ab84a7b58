import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { appendFile, mkdtemp, readFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { startServer, until } from "../harness.ts";
import { curl, curlLines } from "./curl.ts";

const API_KEY = "a-key-for-the-back-end";
const path = (name: string): string => fileURLToPath(new URL(`../../examples/feeds/${name}`, import.meta.url));

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function directory(): Promise<string> {
  const created = await mkdtemp(join(tmpdir(), "yamabiko-feeds-"));
  closing.push(() => rm(created, { recursive: true, force: true }));
  return created;
}

async function start(options: Parameters<typeof startServer>[0] = {}) {
  const server = await startServer({ apiKeys: [API_KEY], ...options });
  closing.push(() => server.close());
  const events = (name: string) => server.room(`feed:${name}`).history(0, 10_000);
  return Object.assign(server, { events });
}

/** Runs one of the examples until the test is over, or `stop` is called. */
function runExample(name: string, args: readonly string[], url: string, key = API_KEY) {
  const child: ChildProcess = spawn(process.execPath, [path(name), ...args], {
    env: { ...process.env, YAMABIKO_URL: url, YAMABIKO_API_KEY: key },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let complaints = "";
  child.stderr?.on("data", (chunk) => {
    complaints += String(chunk);
  });
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const stop = async (): Promise<void> => {
    child.kill("SIGKILL");
    await ended;
  };
  closing.push(stop);
  return { stop, ended, complaints: () => complaints };
}

describe("examples/feeds", () => {
  it.each(["publish.mjs", "news/news.mjs", "prices/prices.mjs", "log/log.mjs", "log/lines.mjs", "log/position.mjs"])(
    "%s has at most 40 lines",
    (name) => {
      expect(readFileSync(path(name), "utf8").trimEnd().split("\n").length).toBeLessThanOrEqual(40);
    },
  );

  it("tell whoever has no key what to do, and do not try for ever", async () => {
    const { url } = await start();
    const { ended, complaints } = runExample(
      "prices/prices.mjs",
      ["feed:prices", "10"],
      url,
      "not-the-key-of-the-server",
    );
    expect(await ended).toBe(1);
    expect(complaints()).toContain("Authorization: Bearer <API key>");
  });
});

describe("examples/feeds/news", () => {
  const item = (number: number): string =>
    `<item><title><![CDATA[Number ${number} & more]]></title><link>https://news.example/${number}</link><guid>n${number}</guid></item>`;

  it("publishes what is new in an RSS feed, oldest first, and again after a restart only what is new then", async () => {
    const { url, events } = await start();
    let items = [item(2), item(1)];
    const rss = createServer((_request, response) => response.end(`<rss><channel>${items.join("\n")}</channel></rss>`));
    await new Promise<void>((resolve) => rss.listen(0, "127.0.0.1", resolve));
    closing.push(() => rss.close());
    const source = `http://127.0.0.1:${(rss.address() as AddressInfo).port}/rss.xml`;
    const titles = async () => (await events("news")).map(({ payload }) => (payload as { title: string }).title);

    const first = runExample("news/news.mjs", [source, "feed:news", "0.05"], url);
    await until(async () => (await titles()).length === 2);
    items = [item(3), ...items];
    await until(async () => (await titles()).length === 3);
    await first.stop();
    items = [item(4), ...items];
    runExample("news/news.mjs", [source, "feed:news", "0.05"], url);
    await until(async () => (await titles()).length === 4);
    expect(await titles()).toEqual([1, 2, 3, 4].map((number) => `Number ${number} & more`));
    expect((await events("news"))[0]).toMatchObject({
      type: "news",
      payload: { link: "https://news.example/1" },
    });

    const following = curl(curlLines(readFileSync(path("news/README.md"), "utf8"), url)[0]!);
    await until(() => following.soFar().includes("Number 4"));
    following.stop();
    expect(following.soFar().match(/^data: .*"type":"news"/gm)).toHaveLength(4);
  });
});

describe("examples/feeds/prices", () => {
  it("publishes prices; while the server is away one for each symbol waits", async () => {
    const log = `sqlite:${join(await directory(), "log.db")}`;
    const server = await start({ log });
    runExample("prices/prices.mjs", ["feed:prices", "20"], server.url);
    await until(async () => (await server.events("prices")).length >= 6);
    await server.close();
    // Time for some fifty prices.
    await new Promise((resolve) => setTimeout(resolve, 400));
    const again = await start({ log, port: Number(new URL(server.url).port) });
    const before = (await again.events("prices")).length;
    await until(async () => (await again.events("prices")).length >= before + 6);
    const events = await again.events("prices");
    for (const { type, payload } of events) {
      expect(type).toBe("price");
      expect(payload).toEqual({ symbol: expect.any(String), price: expect.any(Number), change: expect.any(Number) });
    }
    const symbols = (from: number) =>
      events.slice(from, from + 3).map(({ payload }) => (payload as { symbol: string }).symbol);
    expect(symbols(0).sort()).toEqual(["ECHO", "HILL", "PEAK"]);

    const following = curl(curlLines(readFileSync(path("prices/README.md"), "utf8"), again.url)[0]!);
    await until(() => (following.soFar().match(/"type":"price"/g) ?? []).length > 12);
    following.stop();
  });
});

describe("examples/feeds/log", { timeout: 60_000 }, () => {
  it("ACK-3 has every line once and in order, through bursts, kills, a lost position, rotations and a server that is away", async () => {
    const home = await directory();
    const file = join(home, "app.log");
    const log = `sqlite:${join(home, "log.db")}`;
    let server = await start({ log });
    const { url } = server;
    const written: string[] = [];
    const write = async (...lines: string[]): Promise<void> => {
      written.push(...lines);
      await appendFile(file, lines.map((line) => `${line}\n`).join(""));
    };
    const texts = async () => (await server.events("log")).map(({ payload }) => (payload as { text: string }).text);
    const arrived = () => until(async () => (await texts()).length >= written.length, 20_000);

    await write("one", "", "three ✓");
    let run = runExample("log/log.mjs", [file], url);
    await arrived();
    // Half a line waits for its end.
    await appendFile(file, "ha");
    await write("lf");
    written[written.length - 1] = "half";
    await arrived();
    await write(...Array.from({ length: 2_500 }, (_, i) => `line ${i}`));
    await arrived();

    // Killed, and rotated meanwhile.
    await run.stop();
    await write("unread when it was rotated");
    await rename(file, `${file}.1`);
    await write("in the new file");
    run = runExample("log/log.mjs", [file], url);
    await arrived();

    // Rotated while it runs; who writes still has the old file.
    await rename(file, `${file}.1`);
    written.push("into the old file, late");
    await appendFile(`${file}.1`, "into the old file, late\n");
    await write("into the newest file");
    await arrived();

    // Killed between the answer and the note of it.
    const position = await readFile(`${file}.position`, "utf8");
    await write("acknowledged, but not noted");
    await arrived();
    await run.stop();
    await writeFile(`${file}.position`, position);
    run = runExample("log/log.mjs", [file], url);
    await write("after that");
    await arrived();

    // Emptied in place.
    const name = (text: string): string => (JSON.parse(text) as { name: string }).name;
    await truncate(file);
    await until(async () => name(await readFile(`${file}.position`, "utf8")) !== name(position));
    await write("after it was emptied");
    await arrived();

    await server.close();
    await write("while the server is away");
    await new Promise((resolve) => setTimeout(resolve, 600));
    server = await start({ log, port: Number(new URL(url).port) });
    await arrived();
    await write("the end");
    await arrived();
    expect(await texts()).toEqual(written);

    const following = curl(curlLines(readFileSync(path("log/README.md"), "utf8"), url)[0]!);
    await until(() => following.soFar().includes("the end"));
    following.stop();
    expect(following.soFar().match(/"type":"line"/g)).toHaveLength(10);
  });

  it("cuts a line that is longer than its buffer, and keeps all of it", async () => {
    const file = join(await directory(), "app.log");
    const server = await start();
    const long = "x".repeat(100_000);
    await writeFile(file, `${long}\nshort\n`);
    runExample("log/log.mjs", [file], server.url);
    const texts = async () => (await server.events("log")).map(({ payload }) => (payload as { text: string }).text);
    await until(async () => (await texts()).includes("short"));
    expect((await texts()).slice(0, -1).join("")).toBe(long);
  });
});
