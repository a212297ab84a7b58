import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import type { Envelope } from "../../src/protocol/index.ts";
import { parseCursor } from "../../src/protocol/index.ts";
import { checkHistory } from "../../src/testing/checker.ts";
import { hashOf } from "../../src/testing/history.ts";
import { devToken, until } from "../harness.ts";
import { seededRandom } from "./random.ts";
import { History, RecordedClient, readLog } from "./recorded-client.ts";
import { type Bundle, bundleCommand, findPort, ServerProcess } from "./server-process.ts";

const IS_FULL = process.env.TEST_FAULT === "full";
const MEGABYTE = 1024 * 1024;
const TOTAL_BYTES = (IS_FULL ? 200 : 24) * MEGABYTE;
/** A chat message has at most 4,000 characters; with the rest of its envelope an event is about 4 KiB. */
const CONTENT_BYTES = 3_900;
const EVENTS = Math.ceil(TOTAL_BYTES / CONTENT_BYTES);
const IN_FLIGHT = 64;
const ROOM = "chat:busy";
/** Runs of each kind; the least that any of them needed is compared, so that a busy moment of the machine is not. */
const ROUNDS = IS_FULL ? 2 : 1;
const SAMPLES = IS_FULL ? 200 : 40;
/** What one reader that does not read may cost the server. */
const ALLOWED_BYTES = 8 * MEGABYTE;
const TIMEOUT_MS = IS_FULL ? 900_000 : 120_000;
/** A reader that does not read answers no ping of the server; what it sends shows that it lives. */
const SIGN_OF_LIFE_MS = 5_000;

/** A reader that stops reading its socket, and later goes on. */
class StallingReader {
  readonly socket: WebSocket;
  seq = 0;
  readonly #history: History;
  readonly #name: string;
  readonly #signs: NodeJS.Timeout;
  #epoch = "";

  constructor(history: History, name: string, url: string, token: string) {
    this.#history = history;
    this.#name = name;
    this.socket = new WebSocket(url);
    this.socket.on("open", () => {
      this.#send({ type: "authenticate", payload: { token } });
      this.#send({ type: "join_room", payload: { roomId: ROOM } });
    });
    this.socket.on("message", (bytes) => this.#receive(JSON.parse(String(bytes)) as Envelope));
    this.#signs = setInterval(() => this.#send({ type: "ping", payload: {} }), SIGN_OF_LIFE_MS);
  }

  get isOpen(): boolean {
    return this.socket.readyState === WebSocket.OPEN;
  }

  close(): void {
    clearInterval(this.#signs);
    this.socket.terminate();
  }

  #send(envelope: Envelope): void {
    if (this.isOpen) this.socket.send(JSON.stringify(envelope));
  }

  #receive(envelope: Envelope): void {
    const { type, seq, messageId = null, payload } = envelope;
    const place = { reader: this.#name, roomId: ROOM };
    if (type === "joined_room") {
      const { epoch, seq } = parseCursor((payload as { cursor: string }).cursor);
      this.#epoch = epoch ?? "";
      this.#history.add({ kind: "joined", ...place, after: null, epoch: this.#epoch, seq, recovered: false });
    } else if (type === "history_lost") throw new Error("A reader that was only slow lost history.");
    if (seq === undefined) return;
    this.seq = seq;
    const { userId: user, content } = payload as { userId: string; content: string };
    const event = { epoch: this.#epoch, seq, user, messageId, hash: hashOf(content) };
    this.#history.add({ kind: "delivered", ...place, ...event });
  }
}

/** What a run is compared by. */
interface Figures {
  /** The most that was held after a collection, bytes. */
  readonly held: number;
  readonly rss: number;
  readonly peakRss: number;
  /** Of all deliveries to the two readers that read, ms. */
  readonly p50: number;
  readonly p99: number;
}

interface Run extends Figures {
  readonly seconds: number;
  /** How long the stalled reader took for everything, once it read again, s. */
  readonly catchUpSeconds: number;
  readonly violations: readonly string[];
  readonly delivered: number;
}

function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

function megabytes(bytes: number): string {
  return `${(bytes / MEGABYTE).toFixed(1)} MB`;
}

function describeRun({ held, rss, peakRss, p50, p99, seconds }: Run): string {
  const memory = `held ${megabytes(held)}, RSS ${megabytes(rss)}, peak RSS ${megabytes(peakRss)}`;
  return `${memory}, p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, ${seconds.toFixed(1)} s`;
}

/** How many readers of the server are not live, by its own metrics. */
async function stalledReaders(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^\w*readers_stalled (\d+)/m.exec(text)?.[1]);
}

async function run(bundle: Bundle, withStalled: boolean): Promise<Run> {
  const server = await ServerProcess.start({
    command: bundle.command,
    port: await findPort(seededRandom(process.pid + (withStalled ? 1 : 0))),
    // A young generation of one size, so that when collections happen depends on nothing but the work.
    nodeFlags: ["--expose-gc", "--max-semi-space-size=16", "--import", bundle.memoryProbe],
    ipc: true,
  });
  const history = new History();
  const clients: RecordedClient[] = [];
  let stalled: StallingReader | null = null;
  try {
    const connect = async (name: string): Promise<RecordedClient> => {
      const client = new RecordedClient(history, name, server.wsUrl, { token: await devToken(server.url, name) });
      clients.push(client);
      await client.join(ROOM).joined;
      return client;
    };
    const latencies: number[] = [];
    const sentAt = new Map<string, number>();
    for (const name of ["reader-1", "reader-2"]) {
      const { rooms } = await connect(name);
      rooms.get(ROOM)?.on("new_message", (_payload, { messageId = "" }) => {
        latencies.push(performance.now() - sentAt.get(messageId)!);
      });
    }
    const publisher = await connect("publisher");
    if (withStalled) {
      stalled = new StallingReader(history, "stalled", server.wsUrl, await devToken(server.url, "stalled"));
      await until(() => history.records.some((record) => record.kind === "joined" && record.reader === "stalled"));
    }

    const peak = { held: 0, rss: 0, peakRss: 0 };
    const sample = async (): Promise<void> => {
      const memory = await server.memory();
      for (const key of ["held", "rss", "peakRss"] as const) peak[key] = Math.max(peak[key], memory[key]);
    };
    const startedAt = performance.now();
    let sent = 0;
    let sampling = Promise.resolve();
    const sendNext = (): void => {
      if (sent >= EVENTS) return;
      const number = ++sent;
      if (number % Math.floor(EVENTS / SAMPLES) === 0) sampling = sampling.then(sample);
      const message = publisher.send(ROOM, `${number} `.padEnd(CONTENT_BYTES, "x"));
      sentAt.set(message.messageId, performance.now());
      message.ack.then(sendNext, sendNext);
    };
    for (let n = 0; n < IN_FLIGHT; n++) sendNext();
    if (stalled !== null) {
      const { socket } = stalled;
      await until(() => (stalled?.seq ?? 0) >= 10, TIMEOUT_MS);
      socket.pause();
    }
    await until(() => publisher.acked + publisher.refused >= EVENTS || server.failure !== null, TIMEOUT_MS);
    if (server.failure !== null) throw server.failure;
    for (const client of clients) await client.reached(ROOM, EVENTS, TIMEOUT_MS);
    await sampling;
    await sample();
    const seconds = (performance.now() - startedAt) / 1_000;

    const resumedAt = performance.now();
    if (stalled !== null) {
      const reader = stalled;
      expect(await stalledReaders(server.url)).toBe(1);
      expect(reader.seq).toBeLessThan(EVENTS);
      reader.socket.resume();
      await until(() => reader.seq >= EVENTS || !reader.isOpen, TIMEOUT_MS);
      await until(async () => (await stalledReaders(server.url)) === 0);
    }
    const catchUpSeconds = (performance.now() - resumedAt) / 1_000;
    await readLog(history, "a reader", server.wsUrl, { token: await devToken(server.url, "auditor") }, ROOM);
    const { examples, counts } = checkHistory(history.records);
    latencies.sort((a, b) => a - b);
    const [p50, p99] = [quantile(latencies, 0.5), quantile(latencies, 0.99)];
    return { ...peak, p50, p99, seconds, catchUpSeconds, violations: examples, delivered: counts.delivered };
  } finally {
    stalled?.close();
    for (const client of clients) client.close();
    await server.remove();
  }
}

/**
 * What is compared is what the server still holds after a full collection (objects and buffers of its main thread, where
 * connections live), at many moments of the run: a queue for a slow reader would be among it, and garbage that happens to
 * lie around is not. RSS, which includes the cache of SQLite and what the allocator keeps, is printed, and in the full
 * version compared too: with a collection at every sample it varies by a few megabytes only.
 */
describe("a reader that stops reading", () => {
  let bundle: Bundle;
  beforeAll(async () => {
    bundle = await bundleCommand();
  });
  afterAll(() => bundle.remove());

  it(
    `RES-5: costs the server little while its room gets ${TOTAL_BYTES / MEGABYTE} MB, and gets everything later`,
    async () => {
      const without: Run[] = [];
      const stalled: Run[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        without.push(await run(bundle, false));
        stalled.push(await run(bundle, true));
      }
      const least = (runs: readonly Run[], of: keyof Figures): number => Math.min(...runs.map((run) => run[of]));
      const more = (of: keyof Figures): number => least(stalled, of) - least(without, of);
      console.info(
        [
          `stalled reader, ${EVENTS} events, ${TOTAL_BYTES / MEGABYTE} MB`,
          ...without.map((run) => `  without: ${describeRun(run)}`),
          ...stalled.map((run) => `  with:    ${describeRun(run)}, caught up in ${run.catchUpSeconds.toFixed(1)} s`),
          `  more: held ${megabytes(more("held"))}, RSS ${megabytes(more("rss"))}, peak RSS ${megabytes(more("peakRss"))}`,
        ].join("\n"),
      );
      for (const { violations, delivered } of without) {
        expect(violations).toEqual([]);
        expect(delivered).toBe(3 * EVENTS);
      }
      for (const { violations, delivered } of stalled) {
        expect(violations).toEqual([]);
        expect(delivered).toBe(4 * EVENTS);
      }
      expect(more("held")).toBeLessThan(ALLOWED_BYTES);
      if (IS_FULL) {
        expect(more("peakRss")).toBeLessThan(ALLOWED_BYTES);
        expect(least(stalled, "p99")).toBeLessThan(2 * least(without, "p99") + 20);
      }
    },
    // Waiting ends before the test does, so that its server is always ended too.
    2 * TIMEOUT_MS,
  );
});
