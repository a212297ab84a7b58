import { spawn } from "node:child_process";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Log } from "../../src/log/log.ts";
import { type Database, loadDriver } from "../../src/log/sqlite/driver.ts";
import { openLogFile } from "../../src/log/sqlite/file.ts";
import { SqliteLog } from "../../src/log/sqlite/log.ts";
import type { Batch } from "../../src/log/sqlite/messages.ts";
import { Store } from "../../src/log/sqlite/store.ts";
import { createSqliteLog } from "../../src/log/sqlite.ts";
import { systemClock } from "../../src/protocol/index.ts";
import { createFakeClock } from "../../src/testing/fake-clock.ts";
import { spawnCompiled } from "./sqlite-harness.ts";

let directory: string;
let path: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "yamabiko-sqlite-"));
  path = join(directory, "deep", "log.db");
});

afterEach(async () => {
  await rm(directory, { recursive: true });
});

const said = { type: "said", data: "1" };

async function openOther(): Promise<Database> {
  return (await loadDriver("auto"))(path);
}

describe("opening", () => {
  it("makes the file and a directory for its owner alone", async () => {
    const log = await createSqliteLog({ path });
    expect(await log.append("chat:a", null, null, said)).toMatchObject({ seq: 1 });
    await log.close();
    expect((await stat(join(directory, "deep"))).mode & 0o777).toBe(0o700);
    expect((await stat(path)).size).toBeGreaterThan(0);
  });

  it("is refused while another log has the file, and possible afterwards", async () => {
    const log = await createSqliteLog({ path });
    await expect(createSqliteLog({ path })).rejects.toMatchObject({
      name: "YamabikoError",
      code: "unavailable",
      message: expect.stringContaining("in use by another server"),
      remedy: expect.stringContaining("Stop the other server"),
    });
    expect(await log.append("chat:a", null, null, said)).toMatchObject({ seq: 1 });
    await log.close();
    const next = await createSqliteLog({ path });
    expect(await next.append("chat:a", null, null, said)).toMatchObject({ seq: 2 });
    await next.close();
  });

  it("is refused when a newer version wrote the file", async () => {
    await (await createSqliteLog({ path })).close();
    const other = await openOther();
    other.exec("PRAGMA user_version = 99");
    other.close();
    await expect(createSqliteLog({ path })).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("schema version 99"),
      remedy: expect.stringContaining("newer version"),
    });
  });

  it("brings a file of version 1 up to date", async () => {
    const old = await createSqliteLog({ path });
    await old.append("chat:a", null, null, said);
    await old.close();
    const other = await openOther();
    other.exec("DROP TABLE leases; PRAGMA user_version = 1");
    other.close();
    const log = await createSqliteLog({ path });
    expect(await log.lease("chat:a", "node", 1_000)).toMatchObject({ fence: 1 });
    expect(await log.append("chat:a", null, null, said, { fence: 1 })).toMatchObject({ seq: 2 });
    await log.close();
  });

  it("is refused when the path is no database", async () => {
    await expect(createSqliteLog({ path: directory })).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("cannot be opened"),
      remedy: expect.stringContaining("directory"),
    });
  });

  it("says what to do when the driver is not there", async () => {
    vi.spyOn(process, "getBuiltinModule").mockReturnValue(undefined);
    await expect(loadDriver("node")).rejects.toMatchObject({
      code: "unavailable",
      message: expect.stringContaining("node:sqlite"),
      remedy: "Run with Node 22.13 or newer.",
    });
    vi.restoreAllMocks();
  });

  it("syncs as it was told, and overwrites what is deleted", async () => {
    for (const [synchronous, level] of [
      ["full", 2],
      ["normal", 1],
    ] as const) {
      const file = await openLogFile({ path, synchronous, driver: "auto", busyTimeoutMs: 20 });
      expect(file.database.prepare("PRAGMA synchronous").get()).toMatchObject({ synchronous: level });
      expect(file.database.prepare("PRAGMA journal_mode").get()).toMatchObject({ journal_mode: "wal" });
      expect(file.database.prepare("PRAGMA secure_delete").get()).toMatchObject({ secure_delete: 1 });
      file.close();
    }
  });

  it("can be in memory", async () => {
    const log = await createSqliteLog({ path: ":memory:" });
    expect(await log.append("chat:a", null, null, said)).toMatchObject({ seq: 1 });
    await log.close();
  });

  it("leaves the file readable for other programs", async () => {
    const log = await createSqliteLog({ path });
    await log.append("chat:a", null, null, said);
    const other = await openOther();
    expect(other.prepare("SELECT count(*) AS events FROM events").get()).toMatchObject({ events: 1 });
    other.close();
    await log.close();
  });
});

describe("a lease", () => {
  it("[case 56] lasts no longer than it was taken for when the system's time goes back", async () => {
    const clock = createFakeClock();
    const settings = { path: ":memory:", driver: "auto", synchronous: "full", busyTimeoutMs: 20 } as const;
    const log = await SqliteLog.open(settings, clock, spawnCompiled);
    await log.lease("chat:a", "ann", 1_000);
    clock.shiftWallClock(-3_600_000);
    expect(await log.lease("chat:a", "bob", 1_000)).toEqual({ holder: "ann", fence: 1, expiresInMs: 1_000 });
    clock.shiftWallClock(999);
    expect(await log.lease("chat:a", "bob", 1_000)).toEqual({ holder: "ann", fence: 1, expiresInMs: 1 });
    clock.shiftWallClock(1);
    expect(await log.lease("chat:a", "bob", 1_000)).toEqual({ holder: "bob", fence: 2, expiresInMs: 1_000 });
    await log.close();
  });
});

describe("purging", () => {
  it("empties the write-ahead log, and does not wait for a program that reads the file", async () => {
    const file = await openLogFile({ path, synchronous: "full", driver: "auto", busyTimeoutMs: 60_000 });
    const store = new Store(file.database);
    const append = (data: string) =>
      store.commit({
        kind: "batch",
        now: 1,
        appends: ["chat:a", null, null, "said", data],
        conditions: [],
        requests: [],
      });
    append("1");
    const reader = await openOther();
    reader.exec("BEGIN");
    reader.prepare("SELECT count(*) FROM events").get();
    append("2");
    expect(store.checkpoint()).toBe(false);
    reader.exec("COMMIT");
    expect(store.checkpoint()).toBe(true);
    expect((await stat(`${path}-wal`)).size).toBe(0);
    reader.close();
    file.close();
  });
});

describe("a full disk", () => {
  it("[case 57] refuses the batch whole and goes on when there is room again", async () => {
    const file = await openLogFile({ path, synchronous: "full", driver: "auto", busyTimeoutMs: 20 });
    const store = new Store(file.database);
    const batch = (...payloads: string[]): Batch => ({
      kind: "batch",
      now: 1,
      appends: payloads.flatMap((data) => ["chat:a", "user", `m-${data[0]}`, "said", data]),
      conditions: [],
      requests: [],
    });
    expect([...store.commit(batch("1", "2")).appended.seqs]).toEqual([1, 2]);
    file.database.exec("PRAGMA max_page_count = 20");
    for (let attempt = 0; attempt < 3; attempt++) {
      expect(() => store.commit(batch("3", "4".repeat(1_000_000)))).toThrow(/full/);
    }
    expect(store.answer({ kind: "read", roomId: "chat:a", after: 0, limit: 9, maxBytes: 9 })).toMatchObject({
      head: 2,
    });
    file.database.exec("PRAGMA max_page_count = 100000");
    expect([...store.commit(batch("3", "4".repeat(1_000_000))).appended.seqs]).toEqual([3, 4]);
    file.close();
  });
});

describe("a crashed thread", () => {
  const settings = () => ({ path, synchronous: "full", driver: "auto", busyTimeoutMs: 20 }) as const;

  it("fails what it was given; another takes its place and keeps the order", async () => {
    const workers: Worker[] = [];
    const log = await SqliteLog.open(settings(), systemClock, (given) => {
      workers.push(spawnCompiled(given));
      return workers.at(-1)!;
    });
    await log.append("chat:a", "user", "m-0", said);
    for (let crash = 1; crash <= 3; crash++) {
      const asked = [1, 2, 3].map((index) => log.append("chat:a", "user", `m-${crash}-${index}`, said));
      const question = log.read("chat:a", 0, 1);
      void workers.at(-1)!.terminate();
      const outcomes = await Promise.allSettled([...asked, question]);
      for (const outcome of outcomes.slice(0, 3)) {
        if (outcome.status === "rejected")
          expect(outcome.reason).toMatchObject({ code: "unavailable", retryable: true });
      }
      const results = [];
      for (const index of [1, 2, 3]) {
        results.push(await vi.waitFor(() => log.append("chat:a", "user", `m-${crash}-${index}`, said), 10_000));
      }
      expect(results.map((result) => result.seq)).toEqual([1, 2, 3].map((index) => (crash - 1) * 3 + index + 1));
    }
    expect(workers).toHaveLength(4);
    await log.close();
  });

  it("is not started anew for ever", async () => {
    const workers: Worker[] = [];
    const log = await SqliteLog.open(settings(), systemClock, (given) => {
      const worker = spawnCompiled(given);
      workers.push(worker);
      if (workers.length > 1) void worker.terminate();
      return worker;
    });
    void workers[0]!.terminate();
    await vi.waitFor(() => expect(workers).toHaveLength(6), 10_000);
    await expect(log.append("chat:a", null, null, said)).rejects.toMatchObject({ code: "unavailable" });
    await log.close();
    expect(workers).toHaveLength(6);
  });
});

describe("a killed process", () => {
  it("loses nothing it told of, and leaves no gap and no repetition", { timeout: 120_000 }, async () => {
    const told = new Map<string, string>();
    let next = 0;
    for (let round = 0; round < 5; round++) {
      for (const line of await writeAndKill(next, 200 + Math.floor(Math.random() * 3_000))) {
        const [room, seq, number] = line.split(" ") as [string, string, string];
        told.set(`${room} ${seq}`, number);
        next = Math.max(next, Number(number) + 1);
      }
      // Some of what was under way is sent again, as a client would.
      next = Math.max(0, next - 30);
    }
    const log = await createSqliteLog({ path });
    const seen = new Set<string>();
    for (const room of ["chat:room-0", "chat:room-1", "chat:room-2"]) {
      const events = await readAll(log, room);
      expect(events.map((event) => event.seq)).toEqual(events.map((_, index) => index + 1));
      for (const { seq, data, messageId } of events) {
        expect(seen.has(messageId!)).toBe(false);
        seen.add(messageId!);
        const number = told.get(`${room} ${seq}`);
        if (number !== undefined) expect(data).toBe(number);
        told.delete(`${room} ${seq}`);
      }
    }
    expect(told.size).toBe(0);
    expect(seen.size).toBeGreaterThan(500);
    await log.close();
  });

  /** Runs a writer, kills it after so many lines, and returns the whole lines it wrote. */
  async function writeAndKill(start: number, lines: number): Promise<string[]> {
    const script = fileURLToPath(new URL("./sqlite-crash-writer.ts", import.meta.url));
    const writer = spawn(process.execPath, ["--import", "jiti/register", script, path, `${start}`], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = new Promise((resolve) => writer.once("exit", (_, signal) => resolve(signal)));
    let output = "";
    let count = 0;
    for await (const chunk of writer.stdout.setEncoding("utf8")) {
      output += chunk as string;
      count += (chunk as string).split("\n").length - 1;
      if (count >= lines) writer.kill("SIGKILL");
    }
    expect(await ended).toBe("SIGKILL");
    return output.slice(0, output.lastIndexOf("\n")).split("\n");
  }

  async function readAll(log: Log, room: string) {
    const events = [];
    for (;;) {
      const page = await log.read(room, events.length, 1_000);
      if (page.events.length === 0) return events;
      events.push(...page.events);
    }
  }
});
