import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { type ClientCodec, jsonClientCodec } from "../../src/client/codec.ts";
import { msgpack } from "../../src/client/msgpack.ts";
import type { WebSocketConstructor } from "../../src/client/node.ts";
import { checkHistory } from "../../src/testing/checker.ts";
import { formatHistory } from "../../src/testing/history.ts";
import { devToken, until } from "../harness.ts";
import { between, pick, type Random, seededRandom } from "./random.ts";
import { History, RecordedClient, readLog, readLogFile } from "./recorded-client.ts";
import { type Bundle, bundleCommand, findPort, ServerProcess } from "./server-process.ts";

const IS_FULL = process.env.TEST_FAULT === "full";
const KILLS = IS_FULL ? 20 : 5;
const ACKED = IS_FULL ? 50_000 : 10_000;
const IN_FLIGHT = 50;
const ROOMS = ["chat:north", "chat:south"];
const PUBLISHERS = ["ann", "ben", "cy", "dee"];
const SEED = Number(process.env.TEST_SEED ?? "20240917");
const TIMEOUT_MS = IS_FULL ? 600_000 : 120_000;
/** A kill comes at most this long after the acknowledgement it waits for, ms. */
const LONGEST_WAIT_MS = 300;

/** How many of the restarts do not live to take a request. */
const STILLBORN = 0.25;

/** A socket that reads for a fifth of the time, so that its reader is a cursor more often than live. */
class SlowWebSocket extends WebSocket {
  constructor(url: string, protocols: string[]) {
    super(url, protocols);
    const timer = setInterval(() => {
      if (this.readyState !== WebSocket.OPEN) return;
      this.pause();
      setTimeout(() => this.resume(), 80);
    }, 100);
    this.once("close", () => clearInterval(timer));
  }
}

/** A socket that counts how often messages are written again. */
function countResent(
  Base: typeof WebSocket,
  codec: ClientCodec,
  seen: Set<string>,
  counts: { resent: number },
): WebSocketConstructor {
  class CountingWebSocket extends Base {
    override send(...written: unknown[]): void {
      const [data] = written as [string | Uint8Array<ArrayBuffer>];
      const bytes = typeof data === "string" ? data : data.slice().buffer;
      const { type, messageId } = codec.decode(bytes) as { type: string; messageId?: string };
      if (type === "send_message" && messageId !== undefined) {
        if (seen.has(messageId)) counts.resent++;
        seen.add(messageId);
      }
      super.send(data);
    }
  }
  return CountingWebSocket as unknown as WebSocketConstructor;
}

/** From a kill to the first acknowledgement after it, and how much of that the start of the server took. */
interface Outage {
  readonly startMs: number;
  readonly totalMs: number;
}

/** Kills and restarts the server `kills` times while the count of acknowledgements rises to `target`. */
async function killRepeatedly(server: ServerProcess, acked: () => number, random: Random): Promise<Outage[]> {
  const outages: Outage[] = [];
  for (let kill = 0; kill < KILLS; kill++) {
    const due = Math.floor(((kill + random()) * ACKED) / KILLS);
    await until(() => acked() >= due || server.failure !== null, TIMEOUT_MS);
    await new Promise((resolve) => setTimeout(resolve, between(random, 0, LONGEST_WAIT_MS)));
    if (server.failure !== null) throw server.failure;
    await server.kill();
    const before = acked();
    const killedAt = performance.now();
    // Some are killed again while they start.
    if (random() < STILLBORN) await server.startInVain(between(random, 0, LONGEST_WAIT_MS));
    await server.start();
    const startMs = performance.now() - killedAt;
    await until(() => acked() > before || server.failure !== null, TIMEOUT_MS);
    outages.push({ startMs, totalMs: performance.now() - killedAt });
  }
  return outages;
}

describe("a server that is killed again and again", () => {
  let bundle: Bundle;
  beforeAll(async () => {
    bundle = await bundleCommand();
  });
  afterAll(() => bundle.remove());

  it(
    `loses nothing, repeats nothing and keeps order: ${KILLS} kills, ${ACKED} messages`,
    async () => {
      const random = seededRandom(SEED);
      const server = await ServerProcess.start({ command: bundle.command, port: await findPort(random) });
      const history = new History();
      const clients: RecordedClient[] = [];
      const startedAt = performance.now();
      try {
        const counts = { resent: 0 };
        const seen = new Set<string>();
        const connect = async (name: string, codec: ClientCodec, socket = WebSocket) => {
          const token = await devToken(server.url, name);
          const counting = countResent(socket, codec, seen, counts);
          const client = new RecordedClient(history, name, server.wsUrl, { token, codec, WebSocket: counting });
          clients.push(client);
          for (const roomId of ROOMS) client.join(roomId);
          await Promise.all(Array.from(client.rooms.values(), (room) => room.joined));
          return client;
        };
        await connect("reader-json", jsonClientCodec);
        await connect("reader-msgpack", msgpack());
        await connect("reader-slow", jsonClientCodec, SlowWebSocket as typeof WebSocket);
        const publishers: RecordedClient[] = [];
        for (const name of PUBLISHERS)
          publishers.push(await connect(name, name === "dee" ? msgpack() : jsonClientCodec));

        const acked = () => publishers.reduce((sum, { acked }) => sum + acked, 0);
        let sent = 0;
        let isKilling = true;
        const sendNext = (publisher: RecordedClient): void => {
          // No kill without sends under way, however fast the machine is.
          if (sent >= ACKED && !isKilling) return;
          const content = `${publisher.name} ${++sent} ${"·".repeat(between(random, 0, 200))}`;
          const next = () => sendNext(publisher);
          publisher.send(pick(random, ROOMS), content).ack.then(next, next);
        };
        for (const publisher of publishers) for (let n = 0; n < IN_FLIGHT; n++) sendNext(publisher);

        const outages = await killRepeatedly(server, acked, random);
        isKilling = false;
        await until(
          () => acked() + publishers.reduce((sum, { refused }) => sum + refused, 0) === sent || server.failure !== null,
          TIMEOUT_MS,
        );
        if (server.failure !== null) throw server.failure;
        for (const roomId of ROOMS) {
          const token = await devToken(server.url, "auditor");
          const { head } = await readLog(history, "a reader", server.wsUrl, { token }, roomId);
          for (const client of clients) await client.reached(roomId, head, 120_000);
        }
        for (const client of clients) client.close();
        await server.stop();
        readLogFile(history, "the file", server.logPath);

        const verdict = checkHistory(history.records);
        const seconds = Math.round((performance.now() - startedAt) / 100) / 10;
        const { duplicates, delivered, joins } = verdict.counts;
        const slowest = outages.reduce((longest, outage) => (outage.totalMs > longest.totalMs ? outage : longest));
        console.info(
          `kill test: seed ${SEED}, ${KILLS} kills, ${verdict.counts.acked} acked, ${counts.resent} resent, ${duplicates} duplicates, ${delivered} delivered, ${joins} joins, longest outage ${Math.round(slowest.totalMs)} ms (${Math.round(slowest.startMs)} ms of it to start), ${seconds} s, violations ${JSON.stringify(verdict.violations)}`,
        );
        if (!verdict.ok) {
          const file = join(await mkdtemp(join(tmpdir(), "yamabiko-history-")), "history.jsonl");
          await writeFile(file, formatHistory(history.records));
          console.error(`the history is in ${file}`);
        }
        expect(verdict.examples).toEqual([]);
        expect(verdict.violations).toEqual({});
        expect(verdict.counts).toMatchObject({ sent, acked: sent, refused: 0, losses: 0 });
        expect(sent).toBeGreaterThanOrEqual(ACKED);
        expect(verdict.counts.delivered).toBe(sent * clients.length);
        expect(counts.resent).toBeGreaterThan(0);
        expect(clients.flatMap(({ errors }) => errors)).toEqual([]);
        expect(server.printed).not.toMatch(/uncaught|unhandled|"level":(50|60)/i);
      } finally {
        for (const client of clients) client.close();
        await server.remove();
      }
    },
    // Waiting ends before the test does, so that its server is always ended too.
    2 * TIMEOUT_MS,
  );
});
