import { afterEach, expect, test } from "vitest";
import type { Log } from "../../src/log/log.ts";
import { createMemoryLog } from "../../src/log/memory.ts";
import { type Envelope, YamabikoError } from "../../src/protocol/index.ts";
import { startServer } from "../harness.ts";
import { ask, responseTo, startRequest } from "./http-request.ts";

const ROOMS = ["a", "b", "c"];
const PUBLISH_MS = 2_000;
const PATIENCE_MS = 20_000;

let server: Awaited<ReturnType<typeof startServer>>;
afterEach(() => server?.close());

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const upTo = (most: number): number => Math.floor(Math.random() * (most + 1));

/** A log whose reads are slow now and then, and fail now and then, until it is `steady`. */
function unsteady(inner: Log): { log: Log; steady(): void } {
  let isSteady = false;
  const log = new Proxy(inner, {
    get(target, key) {
      const value = Reflect.get(target, key) as (...args: unknown[]) => Promise<unknown>;
      if (typeof value !== "function") return value;
      if (key !== "read" && key !== "heads") return value.bind(target);
      return async (...args: unknown[]) => {
        if (!isSteady) await pause(upTo(10));
        if (!isSteady && key === "read" && Math.random() < 0.1) throw new YamabikoError("unavailable", "Not now.");
        const read = await Reflect.apply(value, target, args);
        if (!isSteady) await pause(upTo(10));
        return read;
      };
    },
  });
  return {
    log,
    steady: () => {
      isSteady = true;
    },
  };
}

/** What one reader got: of every room 1, 2, 3 …, each once, and cursors that say so. */
class Reader {
  readonly faults: string[] = [];
  readonly #seqs = new Map<string, number>();

  hear({ type, roomId = "", seq }: Envelope): void {
    if (type === "history_lost") this.faults.push(`history_lost in ${roomId}`);
    if (seq === undefined) return;
    const before = this.#seqs.get(roomId) ?? 0;
    if (seq !== before + 1) this.faults.push(`${roomId}: ${seq} after ${before}`);
    this.#seqs.set(roomId, seq);
  }

  check(cursors: string): void {
    for (const [roomId, cursor] of new URLSearchParams(cursors)) {
      const seq = Number(/(\d+)(~.*)?$/.exec(cursor)?.[1]);
      const heard = this.#seqs.get(roomId) ?? 0;
      if (seq !== heard) this.faults.push(`${roomId}: the cursor says ${seq}, heard was ${heard}`);
    }
  }

  has(heads: ReadonlyMap<string, number>): boolean {
    return ROOMS.every((room) => (this.#seqs.get(`chat:${room}`) ?? 0) >= (heads.get(room) ?? 0));
  }
}

const START = ROOMS.map((room) => `${room}=0`).join("&");

async function pollOnce(reader: Reader, cursor: string, user: string): Promise<string> {
  const isGet = Math.random() < 0.5;
  const query = new URLSearchParams({ timeoutMs: String(upTo(100)) });
  if (isGet) {
    for (const room of ROOMS) query.append("roomId", room);
    query.set("after", cursor);
    if (Math.random() < 0.5) query.set("limit", String(1 + upTo(9)));
  }
  const body = isGet ? undefined : { cursor };
  const answer = await ask(server.url, `/api/messages/wait?${query}`, { token: user, body });
  if (answer.status !== 200) {
    reader.faults.push(answer.text);
    return cursor;
  }
  const { messages, cursor: next } = answer.body as { messages: Envelope[]; cursor: string };
  for (const envelope of messages) reader.hear(envelope);
  reader.check(next);
  return next;
}

async function streamOnce(reader: Reader, lastId: string, user: string, isDone: () => boolean): Promise<string> {
  let id = lastId;
  const query = new URLSearchParams(ROOMS.map((room) => ["roomId", room]));
  query.set("after", START);
  const headers: Record<string, string> = id === "" ? {} : { "Last-Event-ID": id };
  const request = startRequest(server.url, `/api/events?${query}`, { token: user, headers });
  request.on("error", () => {});
  const timer = setTimeout(() => request.destroy(), 50 + upTo(300));
  try {
    let rest = "";
    for await (const chunk of await responseTo(request)) {
      const blocks = (rest + String(chunk)).split("\n\n");
      rest = blocks.pop()!;
      for (const block of blocks) {
        const data = /^data: (.*)$/m.exec(block)?.[1];
        if (data !== undefined) reader.hear(JSON.parse(data) as Envelope);
        id = /^id: (.*)$/m.exec(block)?.[1] ?? id;
        if (block.includes("id: ")) reader.check(id);
      }
      if (isDone()) break;
    }
  } catch {
    // Cut off, as it was meant to be.
  }
  clearTimeout(timer);
  request.destroy();
  return id;
}

test("polls and streams of several rooms lose and repeat nothing, however the log reads", {
  timeout: 60_000,
}, async () => {
  const { log, steady } = unsteady(createMemoryLog());
  const auth = async (token: string) => ({ id: token, name: token, claims: {}, expiresAt: Date.now() + 3_600_000 });
  server = await startServer({ log, auth, limits: { tailEvents: 3, idleRooms: 1 } });
  const heads = new Map<string, number>();
  const began = Date.now();
  let isPublished = false;
  const publish = async (room: string): Promise<void> => {
    while (Date.now() - began < PUBLISH_MS) {
      for (let count = upTo(5); count > 0; count--) {
        const { seq } = await server.room(room).publish("noted", { text: "x".repeat(upTo(20_000)) });
        heads.set(room, seq);
      }
      await pause(upTo(30));
    }
  };
  const read = async (user: string, once: typeof streamOnce, first: string): Promise<string[]> => {
    const reader = new Reader();
    const isDone = (): boolean => isPublished && reader.has(heads);
    let at = first;
    while (!isDone() && reader.faults.length === 0) {
      if (Date.now() - began > PUBLISH_MS + PATIENCE_MS) reader.faults.push(`stuck at ${at}`);
      at = await once(reader, at, user, isDone);
    }
    return reader.faults.map((fault) => `${user}: ${fault}`);
  };
  const reading = [1, 2, 3].flatMap((index) => [
    read(`poller-${index}`, pollOnce, START),
    read(`listener-${index}`, streamOnce, ""),
  ]);
  await Promise.all(ROOMS.map(publish));
  steady();
  isPublished = true;
  expect((await Promise.all(reading)).flat()).toEqual([]);
  await expect.poll(() => server.connections).toBe(0);
});
