import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { signToken } from "../../src/auth/jwt.ts";
import { createRedisBus } from "../../src/bus/redis.ts";
import { type Client, createClient, type Room, type TransportName } from "../../src/client/node.ts";
import { createLossyBus } from "../../src/testing/lossy-bus.ts";
import { startServer, until } from "../harness.ts";
import { RedisServer } from "../support/redis-server.ts";
import { Figures, formatFigures } from "./figures.ts";
import { TRANSPORTS } from "./hopping-client.ts";
import { NodeGroup } from "./node-group.ts";
import { FaultProxy } from "./proxy.ts";
import { pick, seededRandom } from "./random.ts";
import { type Bundle, bundleCommand } from "./server-process.ts";

/** The long form says how long it takes; the short one that it happens, on however busy a machine. */
const IS_FULL = process.env.TEST_RECOVERY === "full";
const KILLS = IS_FULL ? 30 : 1;
const RESTARTS = IS_FULL ? 20 : 1;
const GAPS = IS_FULL ? 20 : 1;
const KICKS = IS_FULL ? 10 : 1;
/** How many readers there are on each transport. */
const READERS = IS_FULL ? 3 : 1;
/** How long events go on after a kill, ms, and how often there is one. */
const WINDOW_MS = 3_000;
const EVERY_MS = 50;
const PATIENCE_MS = 60_000;
const SECRET = "thirty-two bytes of a test's key";

const all: Figures[] = [];

function figures(what: string): Figures {
  const made = new Figures(what);
  all.push(made);
  return made;
}

/** What is promised, in the long form. */
function judge(figure: Figures, mostMs: number): void {
  expect(figure.count).toBeGreaterThan(0);
  expect(figure.percentile(99)).toBeLessThan(IS_FULL ? mostMs : PATIENCE_MS);
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Somebody who reads with the settings every client begins with, and remembers when each message came. */
class Reader {
  readonly client: Client;
  readonly room: Room;
  readonly transport: TransportName;
  /** When each came, by what it says, ms. */
  readonly cameAt = new Map<string, number>();
  /** How often its connection was lost. */
  losses = 0;
  endedAt: number | null = null;

  constructor(url: string, transport: TransportName, token: string, roomId: string) {
    this.transport = transport;
    this.client = createClient(url, { token, transports: [transport], pollIntervalMs: 250 });
    this.client.on("error", () => {});
    this.client.on("disconnected", () => {
      this.losses++;
      this.endedAt = performance.now();
    });
    this.room = this.client.join(roomId);
    this.room.on("new_message", (payload) => {
      const { content } = payload as { content: string };
      if (this.cameAt.has(content)) throw new Error(`${content} came twice`);
      this.cameAt.set(content, performance.now());
    });
  }
}

describe("recovery", () => {
  let bundle: Bundle;
  beforeAll(async () => {
    bundle = await bundleCommand();
  });
  afterAll(async () => {
    await bundle.remove();
    console.info(formatFigures(all));
  });
  const ends: (() => unknown)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  async function read(url: string, transport: TransportName, token: string, roomId: string): Promise<Reader> {
    const reader = new Reader(url, transport, token, roomId);
    ends.push(() => reader.client.close());
    await reader.room.joined;
    return reader;
  }

  it(
    `[case 51] [case 53] RES-1: readers on every transport have everything again after a node is killed (${KILLS} times), and after Redis was restarted (${RESTARTS} times)`,
    async () => {
      const random = seededRandom(Number(process.env.TEST_SEED ?? "20240917"));
      const group = await NodeGroup.start({ command: bundle.command, nginx: true, random });
      ends.push(() => group.stop());
      const roomId = "chat:figures";
      const readers: Reader[] = [];
      for (const transport of TRANSPORTS) {
        for (let index = 0; index < READERS; index++) {
          readers.push(await read(group.wsUrl, transport, await group.token(`${transport}-${index}`), roomId));
        }
      }
      const token = await group.token("sender");
      const sentAt = new Map<string, number>();
      /** Sends by one node; resolves when it is acknowledged. */
      const send = async (url: string): Promise<void> => {
        const content = `${sentAt.size}`;
        const envelope = { type: "send_message", payload: { roomId, content }, messageId: content };
        const headers = { Authorization: `Bearer ${token}` };
        const response = await fetch(`${url}/api/messages`, {
          method: "POST",
          headers,
          body: JSON.stringify(envelope),
        });
        if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
        sentAt.set(content, performance.now());
      };
      const haveAll = (): boolean => readers.every(({ cameAt }) => cameAt.size === sentAt.size);
      await send(group.nodes[0]!.url);
      await until(haveAll, PATIENCE_MS);

      const caughtUp = figures("node killed: a reader has everything again, all transports");
      const cameBack = figures("node killed: the same, of those whose WebSocket or stream ended");
      for (let kill = 0; kill < KILLS; kill++) {
        const victim = pick(random, group.nodes);
        const other = pick(
          random,
          group.nodes.filter((node) => node !== victim),
        );
        const losses = readers.map((reader) => reader.losses);
        const first = sentAt.size;
        await victim.kill();
        const killedAt = performance.now();
        while (performance.now() - killedAt < WINDOW_MS) {
          await send(other.url);
          await sleep(EVERY_MS);
        }
        await until(haveAll, PATIENCE_MS);
        const restarted = victim.start();
        for (const [index, { cameAt, ...reader }] of readers.entries()) {
          const waits = Array.from(sentAt)
            .slice(first)
            .map(([content, at]) => cameAt.get(content)! - at);
          const longest = Math.max(0, ...waits);
          caughtUp.add(longest);
          if (reader.losses > losses[index]!) cameBack.add(longest);
        }
        await restarted;
      }
      judge(caughtUp, 3_000);
      if (IS_FULL) judge(cameBack, 3_000);

      const back = figures("Redis killed and started: what was sent meanwhile is acknowledged and with every reader");
      const sender = createClient(group.wsUrl, { token });
      sender.on("error", () => {});
      ends.push(() => sender.close());
      const room = sender.join(roomId);
      await room.joined;
      for (let restart = 0; restart < RESTARTS; restart++) {
        await group.redis.kill();
        const acks: Promise<unknown>[] = [];
        for (let count = 0; count < 20; count++) {
          const content = `${sentAt.size}`;
          sentAt.set(content, performance.now());
          acks.push(room.send("send_message", { content }).ack);
          await sleep(EVERY_MS);
        }
        await group.redis.start();
        const startedAt = performance.now();
        await Promise.all(acks);
        await until(haveAll, PATIENCE_MS);
        back.add(performance.now() - startedAt);
      }
      judge(back, 5_000);
      expect(group.failure).toBeNull();
    },
    240_000 + KILLS * 30_000 + RESTARTS * 30_000,
  );

  describe("on three nodes in one process", () => {
    let redis: RedisServer;
    beforeAll(async () => {
      redis = await RedisServer.start();
    });
    afterAll(() => redis.stop());

    async function node(options: Parameters<typeof startServer>[0] = {}) {
      const server = await startServer({ log: redis.url, auth: { secret: SECRET }, ...options });
      ends.push(() => server.close());
      return server;
    }

    const tokenOf = (user: string) => signToken(SECRET, { user, expiresInMs: 3_600_000 });

    it(
      `[case 52] an event whose notice was lost is found when nothing comes after it (${GAPS} times)`,
      async () => {
        const bus = async () =>
          createLossyBus(await createRedisBus({ url: redis.url }), { loss: 1, repetition: 0, delay: 0 });
        const [north, south] = [await node({ bus: await bus() }), await node({ bus: await bus() })];
        const roomId = `chat:gap-${randomUUID()}`;
        const reader = await read(south.wsUrl, "websocket", await tokenOf("reader"), roomId);
        const found = figures("notice lost in an idle room: the event is with the reader");
        for (let gap = 0; gap < GAPS; gap++) {
          // Anywhere between two comparisons.
          await sleep(gap * 237);
          await north.room(roomId).publish("new_message", { content: `${gap}` });
          const at = performance.now();
          await until(() => reader.cameAt.size > gap, PATIENCE_MS);
          found.add(performance.now() - at);
        }
        judge(found, 5_000);
      },
      60_000 + GAPS * 15_000,
    );

    it(
      `[case 5] [case 10] who is kicked or revoked is out within a second, whatever node and transport it reads by, and is given nothing after it (${KICKS} times)`,
      async () => {
        const nodes = [await node(), await node(), await node()];
        const roomId = `chat:out-${randomUUID()}`;
        const witness = await read(nodes[2]!.wsUrl, "websocket", await tokenOf("witness"), roomId);
        const kicked = figures("kicked: out, on every node and transport");
        const revoked = figures("revoked: out, on every node and transport");
        for (let time = 0; time < KICKS; time++) {
          for (const [took, how] of [
            [kicked, (user: string) => nodes[time % 3]!.room(roomId).kick(user)],
            [revoked, (user: string) => nodes[time % 3]!.revoke({ user })],
          ] as const) {
            const said = `${time} ${took === kicked}`;
            const readers: { reader: Reader; user: string }[] = [];
            for (const [index, { wsUrl }] of nodes.entries()) {
              for (const transport of TRANSPORTS) {
                const user = `${transport}-${index}-${said}`;
                readers.push({ user, reader: await read(wsUrl, transport, await tokenOf(user), roomId) });
              }
            }
            const outAt = new Map<string, number>();
            for (const { reader, user } of readers) {
              const out = (): unknown => outAt.has(user) || outAt.set(user, performance.now());
              reader.room.on("left", out);
              reader.client.on("disconnected", out);
            }
            await nodes[0]!.room(roomId).publish("new_message", { content: `before ${said}` });
            await until(() => readers.every(({ reader }) => reader.cameAt.size === 1), PATIENCE_MS);
            const since = performance.now();
            await Promise.all(readers.map(({ user }) => how(user)));
            await until(() => outAt.size === readers.length, PATIENCE_MS);
            for (const at of outAt.values()) took.add(at - since);
            await nodes[1]!.room(roomId).publish("new_message", { content: `after ${said}` });
            await until(() => witness.cameAt.has(`after ${said}`), PATIENCE_MS);
            for (const { reader } of readers) {
              expect(Array.from(reader.cameAt.keys())).toEqual([`before ${said}`]);
              reader.client.close();
            }
          }
        }
        judge(kicked, 1_000);
        judge(revoked, 1_000);
      },
      60_000 + KICKS * 60_000,
    );

    it.runIf(IS_FULL)(
      "HB-1, HB-2: a peer that is gone without a word is found by the server and by the client, in real time",
      async () => {
        const server = await node();
        const proxy = await FaultProxy.start(Number(new URL(server.url).port));
        ends.push(() => proxy.close());
        const roomId = `chat:dead-${randomUUID()}`;
        const readers: Reader[] = [];
        for (const transport of TRANSPORTS) {
          for (let index = 0; index < 4; index++) {
            readers.push(await read(proxy.wsUrl, transport, await tokenOf(`${transport}-${index}`), roomId));
            // So that they are silent since different moments.
            await sleep(700);
          }
        }
        const byClient = figures("half-open connection: found by the client, all transports");
        const byServer = figures("half-open connection: a WebSocket found by the server");
        // Everybody has just said something, or been told something: they are silent from now on.
        for (const { room, transport } of readers) {
          if (transport === "websocket") await room.send("send_message", { content: randomUUID() }).ack;
        }
        proxy.freeze();
        proxy.refusing = true;
        const frozenAt = performance.now();
        for (const reader of readers) reader.endedAt = null;
        const silent = async (): Promise<number> => {
          const text = await server.metrics();
          const found = /^yamabiko_disconnects_total\{.*reason="heartbeat_timeout".*\} (\d+)$/m.exec(text);
          return Number(found?.[1] ?? 0);
        };
        const webSockets = readers.filter(({ transport }) => transport === "websocket").length;
        const patient = performance.now() + 2 * PATIENCE_MS;
        while (byServer.count < webSockets || readers.some(({ endedAt }) => endedAt === null)) {
          for (const found = await silent(); byServer.count < found; ) byServer.add(performance.now() - frozenAt);
          if (performance.now() > patient) expect.fail(`${byServer.count} were found`);
          await sleep(50);
        }
        for (const { endedAt } of readers) byClient.add(endedAt! - frozenAt);
        judge(byClient, 33_000);
        judge(byServer, 33_000);
      },
      4 * PATIENCE_MS,
    );
  });
});
