import { afterEach, describe, expect, it } from "vitest";
import { signToken } from "../../src/auth/jwt.ts";
import { createMemoryBus, createMemoryHub } from "../../src/bus/memory.ts";
import { createMemoryLog } from "../../src/log/memory.ts";
import { checkHistory, type Verdict } from "../../src/testing/checker.ts";
import { createFakeClock } from "../../src/testing/fake-clock.ts";
import { createLossyBus, type LossyBus, type LossyBusOptions } from "../../src/testing/lossy-bus.ts";
import { startServer, until } from "../harness.ts";
import { FaultProxy } from "./proxy.ts";
import { between, pick, seededRandom } from "./random.ts";
import { History, RecordedClient, readLogSeam } from "./recorded-client.ts";

const SECRET = "thirty-two bytes of a test's key";
const ROOM = "chat:two-nodes";
const MESSAGES = 300;

const FAULTS: Record<string, LossyBusOptions> = {
  "loses, repeats and reorders": { loss: 0.3, repetition: 0.3, delay: 0.5, maxDelayMs: 200 },
  "loses almost everything": { loss: 0.95, repetition: 0, delay: 0 },
  "loses everything": { loss: 1, repetition: 0, delay: 0 },
  "only reorders": { loss: 0, repetition: 0, delay: 0.9, maxDelayMs: 500 },
};

/** Two nodes on one log, and the clients of a run. */
class Stage {
  readonly history = new History();
  /** All that waits on the nodes (the audit of heads, delays, retries) waits on this, so that minutes take no time. */
  readonly clock = createFakeClock();
  readonly log = createMemoryLog({ clock: this.clock });
  readonly clients: RecordedClient[] = [];
  readonly nodes: { server: Awaited<ReturnType<typeof startServer>>; bus: LossyBus }[] = [];

  static async start(faults: LossyBusOptions, seed: number): Promise<Stage> {
    const stage = new Stage();
    const { clock, log } = stage;
    const hub = createMemoryHub();
    for (let index = 0; index < 2; index++) {
      const bus = createLossyBus(createMemoryBus({ hub }), { ...faults, seed: seed * 10 + index, clock });
      stage.nodes.push({ bus, server: await startServer({ log, bus, clock, auth: { secret: SECRET } }) });
    }
    return stage;
  }

  async join(user: string, url: string): Promise<RecordedClient> {
    const token = await signToken(SECRET, { user, expiresInMs: 3_600_000 }, this.clock);
    const client = new RecordedClient(this.history, user, url, { token });
    this.clients.push(client);
    const room = client.join(ROOM);
    // A node that opens the room asks the other one, and waits a little for an answer that the bus may lose.
    await until(async () => {
      await this.clock.advance(50);
      return room.status === "joined";
    });
    return client;
  }

  /** Waits until everybody has everything, while the bus stays as bad as it is, and judges it. */
  async judge(): Promise<Verdict> {
    const { head } = (await this.log.heads([ROOM])).get(ROOM)!;
    await until(async () => {
      await this.clock.advance(1_000);
      return this.clients.every(({ rooms }) => rooms.get(ROOM)?.seq === head);
    });
    await readLogSeam(this.history, this.log, ROOM);
    const verdict = checkHistory(this.history.records);
    expect(verdict.examples).toEqual([]);
    expect(verdict.counts.delivered).toBe(head * this.clients.length);
    expect(this.clients.flatMap(({ errors }) => errors)).toEqual([]);
    return verdict;
  }

  async end(): Promise<void> {
    for (const client of this.clients) client.close();
    for (const { server } of this.nodes) await server.close();
  }
}

describe("two nodes on one log, and a bus that", () => {
  const ends: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  async function start(faults: LossyBusOptions, seed: number): Promise<Stage> {
    const stage = await Stage.start(faults, seed);
    ends.push(() => stage.end());
    return stage;
  }

  it.each(Object.entries(FAULTS))("%s: everybody gets everything, once and in order", async (_name, faults) => {
    for (const seed of [1, 2, 3]) {
      const random = seededRandom(seed);
      const stage = await start(faults, seed);
      const writers: RecordedClient[] = [];
      for (const [index, { server }] of stage.nodes.entries()) {
        writers.push(await stage.join(`writer-${index}`, server.wsUrl));
        await stage.join(`reader-${index}`, server.wsUrl);
      }
      for (let sent = 0; sent < MESSAGES; ) {
        const burst = between(random, 1, 20);
        const acks = Array.from({ length: burst }, () => pick(random, writers).send(ROOM, `number ${++sent}`).ack);
        await Promise.all(acks);
        await stage.clock.advance(between(random, 0, 100));
      }
      const verdict = await stage.judge();
      expect(verdict.counts.acked).toBe(verdict.counts.inLog);
      const { lost, repeated, delayed } = stage.nodes[0]!.bus.counts;
      expect(lost + repeated + delayed).toBeGreaterThan(0);
    }
  });

  it("loses everything: a client that is thrown from node to node repeats nothing and misses nothing", async () => {
    const stage = await start({ loss: 1 }, 1);
    const [north, south] = stage.nodes.map(({ server }) => Number(new URL(server.url).port)) as [number, number];
    const proxy = await FaultProxy.start(north);
    ends.push(() => proxy.close());
    const wanderer = await stage.join("wanderer", proxy.wsUrl);
    const resident = await stage.join("resident", stage.nodes[1]!.server.wsUrl);
    let sent = 0;
    const moves = 12;
    for (let move = 0; move < moves; move++) {
      await until(() => wanderer.rooms.get(ROOM)?.status === "joined");
      const { head } = (await stage.log.heads([ROOM])).get(ROOM)!;
      // Every other time the acks are lost too, so that the other node is asked for what this one has done.
      if (move % 2 === 0) proxy.swallow();
      const messages = Array.from({ length: 10 }, () => wanderer.send(ROOM, `number ${++sent}`));
      resident.send(ROOM, `resident ${move}`);
      await until(async () => (await stage.log.heads([ROOM])).get(ROOM)!.head === head + 11);
      proxy.targetPort = proxy.targetPort === north ? south : north;
      proxy.cut();
      await until(() => wanderer.client.status !== "connected");
      await Promise.all(messages.map(({ ack }) => ack));
    }
    const { counts } = await stage.judge();
    expect(counts).toMatchObject({ sent: moves * 11, acked: moves * 11, inLog: moves * 11 });
    expect(counts.duplicates).toBeGreaterThanOrEqual((moves / 2) * 10);
  });
});
