import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { signToken } from "../../src/auth/jwt.ts";
import { type ClientOptions, type HistoryLost, type WebSocketConstructor, webStorage } from "../../src/client/node.ts";
import type { Log } from "../../src/log/log.ts";
import { createMemoryLog } from "../../src/log/memory.ts";
import { SqliteLog } from "../../src/log/sqlite/log.ts";
import { type Clock, systemClock } from "../../src/protocol/index.ts";
import type { ServerOptions } from "../../src/server/options.ts";
import { checkHistory, type Verdict } from "../../src/testing/checker.ts";
import { createFakeClock, type FakeClock } from "../../src/testing/fake-clock.ts";
import type { HistoryRecord } from "../../src/testing/history.ts";
import { spawnCompiled } from "../contract/sqlite-harness.ts";
import { startServer, until } from "../harness.ts";
import { FaultProxy } from "./proxy.ts";
import { History, RecordedClient, readLogSeam } from "./recorded-client.ts";

const ROOM = "chat:recovery";
/** A key of our own, so that tokens outlive the server. */
const SECRET = "thirty-two bytes of a test's key";
const HOUR_MS = 3_600_000;

/** A Web Storage that outlives its page. */
class PageStorage implements Pick<Storage, "getItem" | "setItem" | "removeItem"> {
  readonly #values = new Map<string, string>();

  getItem(key: string): string | null {
    return this.#values.get(key) ?? null;
  }

  setItem(key: string, value: string): void {
    this.#values.set(key, value);
  }

  removeItem(key: string): void {
    this.#values.delete(key);
  }
}

/** A server, a proxy before it, and clients whose history is judged at the end. */
class Stage {
  readonly history = new History();
  readonly directory: string;
  readonly proxy: FaultProxy;
  readonly #clock: Clock;
  readonly #clients: RecordedClient[] = [];
  #server: Awaited<ReturnType<typeof startServer>>;
  #log: Log;
  #said = 0;

  private constructor(
    directory: string,
    clock: Clock,
    server: Awaited<ReturnType<typeof startServer>>,
    log: Log,
    proxy: FaultProxy,
  ) {
    this.directory = directory;
    this.#clock = clock;
    this.#server = server;
    this.#log = log;
    this.proxy = proxy;
  }

  static async start(kind: "memory" | "sqlite", options: ServerOptions = {}): Promise<Stage> {
    const directory = await mkdtemp(join(tmpdir(), "yamabiko-recovery-"));
    const { clock = systemClock } = options;
    const log = kind === "memory" ? createMemoryLog({ clock }) : await openSqlite(directory);
    const server = await startServer({ auth: { secret: SECRET }, ...options, log });
    const proxy = await FaultProxy.start(portOf(server.url));
    return new Stage(directory, clock, server, log, proxy);
  }

  get log(): Log {
    return this.#log;
  }

  get connections(): number {
    return this.#server.connections;
  }

  async head(): Promise<number> {
    return (await this.#log.heads([ROOM])).get(ROOM)!.head;
  }

  /** Closes the server, does `meanwhile`, and starts another with what is left of the SQLite log. */
  async restart(meanwhile: () => Promise<void> = async () => {}): Promise<void> {
    await this.#server.close();
    await meanwhile();
    this.#log = await openSqlite(this.directory);
    this.#server = await startServer({ auth: { secret: SECRET }, log: this.#log });
    this.proxy.targetPort = portOf(this.#server.url);
  }

  /** A client behind the proxy. */
  async connect(name: string, options: ClientOptions = {}, user = name): Promise<RecordedClient> {
    const token = await signToken(SECRET, { user, expiresInMs: HOUR_MS }, this.#clock);
    const client = new RecordedClient(this.history, name, this.proxy.wsUrl, { token, ...options }, user);
    this.#clients.push(client);
    return client;
  }

  /** A client behind the proxy that has joined and knows it. */
  async joined(name: string, options: ClientOptions = {}, after?: string): Promise<RecordedClient> {
    const client = await this.connect(name, options);
    await client.join(ROOM, after).joined;
    return client;
  }

  /** Publishes from a client whose link is good, and waits for the acks. */
  async publish(count: number, padding = ""): Promise<void> {
    const token = await signToken(SECRET, { user: "publisher", expiresInMs: HOUR_MS }, this.#clock);
    const name = `publisher-${this.#said}`;
    const client = new RecordedClient(this.history, name, this.#server.wsUrl, { token }, "publisher");
    await client.join(ROOM).joined;
    await Promise.all(Array.from({ length: count }, () => client.send(ROOM, `event ${++this.#said} ${padding}`).ack));
    this.history.add({ kind: "left", reader: name, roomId: ROOM });
    client.close();
  }

  /** Cuts what is behind the proxy, and keeps it away. */
  async cutOff(client: RecordedClient): Promise<void> {
    this.proxy.refusing = true;
    this.proxy.cut();
    await until(() => client.client.status !== "connected");
  }

  /** What the checker says of everything, once all that stayed have everything. */
  async judge(): Promise<Verdict> {
    await readLogSeam(this.history, this.#log, ROOM);
    const verdict = checkHistory(this.history.records);
    expect(verdict.examples).toEqual([]);
    expect(verdict.ok).toBe(true);
    return verdict;
  }

  /** The seqs that a reader's listeners were given, in order. */
  seqs(reader: string): number[] {
    return this.#of("delivered").flatMap((record) => (record.reader === reader ? [record.seq] : []));
  }

  /** How often a client's connection was lost. */
  drops(client: string): number {
    return this.#of("connection").filter((record) => record.client === client && record.event === "closed").length;
  }

  /** The acks of a user's messages, in order. */
  acks(user: string): { seq: number; duplicate: boolean }[] {
    return this.#of("acked").flatMap(({ user: of, seq, duplicate }) => (of === user ? [{ seq, duplicate }] : []));
  }

  async end(): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.proxy.close();
    await this.#server.close();
    await rm(this.directory, { recursive: true, force: true });
  }

  #of<Kind extends HistoryRecord["kind"]>(kind: Kind): Extract<HistoryRecord, { kind: Kind }>[] {
    return this.history.records.filter(
      (record): record is Extract<HistoryRecord, { kind: Kind }> => record.kind === kind,
    );
  }
}

function openSqlite(directory: string): Promise<Log> {
  const path = join(directory, "log.db");
  return SqliteLog.open(
    { path, synchronous: "full", driver: "auto", busyTimeoutMs: 1_000 },
    systemClock,
    spawnCompiled,
  );
}

function portOf(url: string): number {
  return Number(new URL(url).port);
}

function numbers(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

/** Moves time on in steps of a second. Between two of them a request goes to the server and back: who pinged is answered. */
async function pass(clock: FakeClock, seconds: number, proxy: FaultProxy): Promise<void> {
  const url = `${proxy.wsUrl.replace("ws:", "http:").replace("/ws", "/healthz")}`;
  for (let second = 0; second < seconds; second++) {
    await clock.advance(1_000);
    await (await fetch(url)).text();
  }
}

/** Some turns of the event loop, in which bytes on loopback arrive. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}

describe("after a fault every event comes once and in order", () => {
  let stage: Stage;
  const started: Stage[] = [];

  async function start(...how: Parameters<typeof Stage.start>): Promise<Stage> {
    const stage = await Stage.start(...how);
    started.push(stage);
    return stage;
  }

  beforeEach(() => {
    started.length = 0;
  });

  afterEach(async () => {
    for (const stage of started) await stage.end();
  });

  it("RES-1: dropped before the first event", async () => {
    stage = await start("memory");
    const reader = await stage.joined("reader");
    expect(reader.rooms.get(ROOM)?.seq).toBe(0);
    await stage.cutOff(reader);
    await stage.publish(7);
    stage.proxy.refusing = false;
    await reader.reached(ROOM, 7);
    await stage.publish(3);
    await reader.reached(ROOM, 10);
    expect(stage.seqs("reader")).toEqual(numbers(1, 10));
    await stage.judge();
  });

  it("RES-1: dropped when the server had answered the join, and the answer was lost", async () => {
    stage = await start("memory");
    await stage.publish(5);
    const { epoch } = (await stage.log.heads([ROOM])).get(ROOM)!;
    const reader = await stage.connect("reader");
    await until(() => reader.client.status === "connected");
    stage.proxy.swallow();
    reader.join(ROOM, `${epoch}:2`);
    await until(() => stage.proxy.swallowed > 0);
    stage.proxy.cut();
    await reader.reached(ROOM, 5);
    await stage.publish(1);
    await reader.reached(ROOM, 6);
    expect(stage.seqs("reader")).toEqual(numbers(3, 6));
    await stage.judge();
  });

  it("RES-1: dropped in the middle of catching up", async () => {
    stage = await start("memory");
    await stage.publish(2_000);
    const { epoch } = (await stage.log.heads([ROOM])).get(ROOM)!;
    const reader = await stage.connect("reader");
    const room = reader.join(ROOM, `${epoch}:0`);
    let cuts = 0;
    room.on("*", (_payload, { seq = 0 }) => {
      if (seq < cuts * 150 + 10) return;
      cuts++;
      stage.proxy.cut();
    });
    await reader.reached(ROOM, 2_000);
    expect(cuts).toBeGreaterThan(10);
    expect(stage.seqs("reader")).toEqual(numbers(1, 2_000));
    await stage.judge();
  });

  it("[case 38] [article 5] HB-2: a half-open link, noticed by the client", async () => {
    stage = await start("memory");
    const clock = createFakeClock();
    const reader = await stage.joined("reader", { clock });
    await stage.publish(3);
    await reader.reached(ROOM, 3);
    stage.proxy.freeze();
    await stage.publish(4);
    // Silence is noticed after `heartbeatMs`, and its ping is given 10 s.
    await clock.advance(29_000);
    expect(reader.client.status).toBe("connected");
    await clock.advance(2_000);
    expect(stage.drops("reader")).toBe(1);
    await reader.reached(ROOM, 7);
    await stage.publish(2);
    await reader.reached(ROOM, 9);
    expect(stage.seqs("reader")).toEqual(numbers(1, 9));
    await stage.judge();
  });

  it("[case 38] HB-1: a half-open link, noticed by the server", async () => {
    const clock = createFakeClock();
    stage = await start("memory", { clock });
    const reader = await stage.joined("reader");
    await stage.publish(3);
    await reader.reached(ROOM, 3);
    expect(stage.connections).toBe(1);
    stage.proxy.freeze();
    for (let second = 0; second < 29; second++) await clock.advance(1_000);
    expect(stage.connections).toBe(1);
    for (let second = 0; second < 4; second++) await clock.advance(1_000);
    expect(stage.connections).toBe(0);
    await stage.publish(2);
    reader.client.cut();
    await reader.reached(ROOM, 5);
    expect(stage.seqs("reader")).toEqual(numbers(1, 5));
    await stage.judge();
  });

  it("[case 53] ACK-3: dropped after the commit, before the ack", async () => {
    stage = await start("sqlite");
    const sender = await stage.joined("sender");
    stage.proxy.swallow();
    const messages = numbers(1, 20).map((number) => sender.send(ROOM, `number ${number}`));
    await until(async () => (await stage.head()) === 20);
    expect(stage.acks("sender")).toEqual([]);
    stage.proxy.cut();
    await Promise.all(messages.map(({ ack }) => ack));
    expect(stage.acks("sender")).toEqual(numbers(1, 20).map((seq) => ({ seq, duplicate: true })));
    await sender.reached(ROOM, 20);
    expect(stage.seqs("sender")).toEqual(numbers(1, 20));
    expect((await stage.judge()).counts.inLog).toBe(20);
  });

  it("ACK-3: dropped after the commit, and the server restarted before it came again", async () => {
    stage = await start("sqlite");
    const sender = await stage.joined("sender");
    stage.proxy.swallow();
    const messages = numbers(1, 20).map((number) => sender.send(ROOM, `number ${number}`));
    await until(async () => (await stage.head()) === 20);
    await stage.cutOff(sender);
    await stage.restart();
    stage.proxy.refusing = false;
    await Promise.all(messages.map(({ ack }) => ack));
    expect(stage.acks("sender")).toEqual(numbers(1, 20).map((seq) => ({ seq, duplicate: true })));
    await sender.reached(ROOM, 20);
    expect((await stage.judge()).counts.inLog).toBe(20);
  });

  it("ACK-4: dropped while sends are under way on a slow link", async () => {
    stage = await start("sqlite");
    stage.proxy.delayMs = 5;
    const sender = await stage.joined("sender");
    const messages = [];
    for (let burst = 1; burst <= 8; burst++) {
      for (let number = 1; number <= 25; number++) messages.push(sender.send(ROOM, `burst ${burst}, ${number}`));
      await until(async () => (await stage.head()) >= (burst - 1) * 25 + 10);
      stage.proxy.cut();
    }
    await Promise.all(messages.map(({ ack }) => ack));
    await sender.reached(ROOM, 200);
    expect(stage.seqs("sender")).toEqual(numbers(1, 200));
    expect((await stage.judge()).counts.acked).toBe(200);
  });

  it("HB-1, HB-2, RES-1: 200 s of silence, then a short blip", async () => {
    const clock = createFakeClock();
    stage = await start("memory", { clock });
    const reader = await stage.joined("reader", { clock });
    await stage.publish(2);
    await reader.reached(ROOM, 2);
    await pass(clock, 200, stage.proxy);
    expect(stage.drops("reader")).toBe(0);
    stage.proxy.cut();
    await until(() => reader.client.status === "waiting");
    await stage.publish(3);
    await until(async () => {
      await clock.advance(20);
      return reader.client.status === "connected";
    });
    await reader.reached(ROOM, 5);
    await stage.publish(1);
    await reader.reached(ROOM, 6);
    expect(stage.seqs("reader")).toEqual(numbers(1, 6));
    expect(stage.drops("reader")).toBe(1);
    await stage.judge();
  });

  it("RES-1, CLS-1: the server restarted in between", async () => {
    stage = await start("sqlite");
    const reader = await stage.joined("reader");
    await stage.publish(5);
    await reader.reached(ROOM, 5);
    await stage.restart();
    await stage.publish(5);
    await reader.reached(ROOM, 10);
    await stage.cutOff(reader);
    await stage.restart();
    await stage.publish(5);
    stage.proxy.refusing = false;
    await reader.reached(ROOM, 15);
    expect(stage.seqs("reader")).toEqual(numbers(1, 15));
    await stage.judge();
  });

  it("RES-2: retention passed the cursor while away", async () => {
    const clock = createFakeClock();
    stage = await start("memory", { clock, retention: { maxEvents: 10 } });
    const reader = await stage.joined("reader");
    const told: HistoryLost[] = [];
    reader.rooms.get(ROOM)?.on("history_lost", (lost) => told.push(lost));
    await stage.publish(3);
    await reader.reached(ROOM, 3);
    await stage.cutOff(reader);
    await stage.publish(50);
    await until(async () => {
      await clock.advance(1_000);
      return (await stage.log.heads([ROOM])).get(ROOM)?.first === 44;
    });
    stage.proxy.refusing = false;
    await reader.reached(ROOM, 53);
    const { epoch } = (await stage.log.heads([ROOM])).get(ROOM)!;
    expect(told).toEqual([{ roomId: ROOM, reason: "retention", from: 4, to: 43, cursor: `${epoch}:43` }]);
    await stage.publish(2);
    await reader.reached(ROOM, 55);
    expect(stage.seqs("reader")).toEqual([...numbers(1, 3), ...numbers(44, 55)]);
    expect((await stage.judge()).counts.losses).toBe(1);
  });

  it("RES-2: retention passed everything a new page kept a cursor of", async () => {
    const clock = createFakeClock();
    stage = await start("memory", { clock, retention: { maxEvents: 1 } });
    await stage.publish(20);
    await until(async () => {
      await clock.advance(1_000);
      return (await stage.log.heads([ROOM])).get(ROOM)?.first === 20;
    });
    const { epoch } = (await stage.log.heads([ROOM])).get(ROOM)!;
    const reader = await stage.joined("reader", {}, `${epoch}:5`);
    await reader.reached(ROOM, 20);
    expect(stage.seqs("reader")).toEqual([20]);
    expect((await stage.judge()).counts.losses).toBe(1);
  });

  it("RES-3: retention passed a reader that stayed and did not read", async () => {
    const clock = createFakeClock();
    stage = await start("memory", { clock, retention: { maxEvents: 100 } });
    const sockets: WebSocket[] = [];
    class WatchedWebSocket extends WebSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols);
        sockets.push(this);
      }
    }
    const reader = await stage.joined("reader", { WebSocket: WatchedWebSocket as unknown as WebSocketConstructor });
    await stage.publish(3);
    await reader.reached(ROOM, 3);
    sockets[0]?.pause();
    // More than the buffers of both sockets take.
    await stage.publish(10_000, "x".repeat(3_900));
    await until(async () => {
      await clock.advance(1_000);
      return (await stage.log.heads([ROOM])).get(ROOM)?.first === 9_904;
    });
    expect(reader.rooms.get(ROOM)?.seq).toBe(3);
    sockets[0]?.resume();
    await reader.reached(ROOM, 10_003);
    await stage.publish(2);
    await reader.reached(ROOM, 10_005);
    expect(stage.drops("reader")).toBe(0);
    expect(stage.seqs("reader").slice(-102)).toEqual(numbers(9_904, 10_005));
    expect((await stage.judge()).counts.losses).toBe(1);
  });

  it("RES-2: the log was deleted", async () => {
    stage = await start("sqlite");
    const reader = await stage.joined("reader");
    const told: HistoryLost[] = [];
    reader.rooms.get(ROOM)?.on("history_lost", (lost) => told.push(lost));
    await stage.publish(5);
    await reader.reached(ROOM, 5);
    const before = reader.rooms.get(ROOM)?.epoch;
    await stage.cutOff(reader);
    await stage.restart(async () => {
      for (const name of await readdir(stage.directory)) await rm(join(stage.directory, name));
    });
    stage.history.add({ kind: "fault", what: "recreated", roomId: ROOM });
    await stage.publish(3);
    stage.proxy.refusing = false;
    await until(() => told.length > 0);
    await reader.reached(ROOM, 3);
    const { epoch } = (await stage.log.heads([ROOM])).get(ROOM)!;
    expect(epoch).not.toBe(before);
    expect(told).toEqual([{ roomId: ROOM, reason: "epoch", from: null, to: null, cursor: `${epoch}:0` }]);
    await stage.publish(2);
    await reader.reached(ROOM, 5);
    expect(stage.seqs("reader")).toEqual([...numbers(1, 5), ...numbers(1, 5)]);
    await stage.judge();
  });

  it("ACK-3, ACK-4: a tab reloaded with an outbox, some of it acknowledged to nobody", async () => {
    stage = await start("sqlite");
    const storage = webStorage(new PageStorage(), "outbox");
    const before = await stage.connect("tab before", { storage }, "ann");
    await before.join(ROOM).joined;
    stage.proxy.swallow();
    for (const number of numbers(1, 10)) before.send(ROOM, `number ${number}`);
    await until(async () => (await stage.head()) === 10);
    await stage.cutOff(before);
    for (const number of numbers(11, 30)) before.send(ROOM, `number ${number}`);
    // The page is gone: nothing is said any more, and nothing it waited for is answered to it.
    const { cursor } = before.rooms.get(ROOM)!;
    await settle();
    before.client.disconnect();
    stage.history.add({ kind: "left", reader: "tab before", roomId: ROOM });

    stage.proxy.refusing = false;
    const after = await stage.connect("tab after", { storage }, "ann");
    const room = after.join(ROOM, cursor ?? undefined);
    await until(() => after.client.outbox.length === 30 || after.client.outbox.length === 0);
    const restored = [...after.client.outbox];
    for (const message of restored) after.watch(ROOM, message);
    await room.joined;
    after.send(ROOM, "number 31");
    await after.reached(ROOM, 31);
    await until(() => after.client.outbox.length === 0);
    expect(restored.map(({ payload }) => payload.content)).toEqual(numbers(1, 30).map((number) => `number ${number}`));
    expect(stage.acks("ann")).toEqual(numbers(1, 31).map((seq) => ({ seq, duplicate: seq <= 10 })));
    expect(stage.seqs("tab after")).toEqual(numbers(1, 31));
    await stage.judge();
  });
});
