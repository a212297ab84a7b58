import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { signToken } from "../../src/auth/jwt.ts";
import { type Client, type ClientOptions, createClient, type Room } from "../../src/client/node.ts";
import { systemClock } from "../../src/protocol/index.ts";
import { createFakeClock, type FakeClock } from "../../src/testing/fake-clock.ts";
import { LossyProxy } from "../fault/lossy-proxy.ts";
import { seededRandom } from "../fault/random.ts";
import { startServer, until } from "../harness.ts";
import { range } from "./stage.ts";

const SECRET = "thirty-two bytes of a test's key";

describe("a client behind a proxy that stands in its way", () => {
  let server: Awaited<ReturnType<typeof startServer>>;
  let proxy: LossyProxy;
  let clock: FakeClock;
  const clients: Client[] = [];
  beforeEach(async () => {
    clock = createFakeClock();
    server = await startServer({ auth: { secret: SECRET } });
    proxy = await LossyProxy.start({ targetPort: Number(new URL(server.url).port), random: seededRandom(1) });
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.close();
    await proxy.close();
    await server.close();
  });

  /** A client with a clock that moves when we say, in a room whose events are noted. */
  const start = async (options: ClientOptions = {}) => {
    const token = await signToken(SECRET, { user: "ada", expiresInMs: 3_600_000 }, systemClock);
    const client = createClient(proxy.url, { token, clock, random: () => 0.5, ...options });
    clients.push(client);
    const room = client.join("chat:room", { after: 0 });
    const seqs: number[] = [];
    const errors: string[] = [];
    room.on("*", (_payload, { seq }) => {
      if (seq !== undefined) seqs.push(seq);
    });
    client.on("error", ({ code, message }) => errors.push(`${code}: ${message}`));
    return { client, room, seqs, errors };
  };
  /**
   * Lets the client's time pass in steps of 250 ms, with `between` before each, until it holds. Gives how long it took, ms. What is on
   * its way over loopback has `realMs` for each step.
   */
  const pass = async (
    holds: () => boolean,
    longestMs: number,
    { between = () => {}, realMs = 250 }: { between?: () => unknown; realMs?: number } = {},
  ): Promise<number> => {
    const startedAt = clock.monotonic();
    for (;;) {
      await until(holds, realMs).catch(() => {});
      if (holds()) return clock.monotonic() - startedAt;
      if (clock.monotonic() - startedAt > longestMs) throw new Error(`not within ${longestMs} ms: ${holds.toString()}`);
      await between();
      await clock.advance(250);
    }
  };
  const say = (room: Room, count: number) => range(1, count).map(() => room.send("send_message", { content: "x" }).ack);

  it.each(["refuse", "hang"] as const)(
    "works over SSE within 5 s where upgrades are not let through (%s)",
    async (how) => {
      proxy.upgrades = how;
      const { client, room, seqs, errors } = await start();
      expect(await pass(() => client.status === "connected" && room.status === "joined", 5_000)).toBeLessThanOrEqual(
        5_000,
      );
      expect(client.transport).toBe("sse");
      const acks = say(room, 20);
      await pass(() => seqs.length === 20, 5_000);
      expect((await Promise.all(acks)).map(({ seq }) => seq)).toEqual(range(1, 20));
      expect([seqs, errors]).toEqual([range(1, 20), []]);
    },
  );

  it("RES-1, HTTP-13: goes back to WebSocket within 60 s after it is let through, while messages flow, with nothing lost or repeated", async () => {
    proxy.upgrades = "refuse";
    const { client, room, seqs, errors } = await start();
    await pass(() => client.status === "connected" && room.status === "joined", 5_000);
    expect(client.transport).toBe("sse");
    proxy.upgrades = "pass";
    let sent = 0;
    const acks: Promise<unknown>[] = [];
    const talk = async () => {
      sent += 2;
      acks.push(...say(room, 1));
      await server.room("room").publish("noted", {});
    };
    const isBack = () => client.transport === "websocket" && client.status === "connected";
    const tookMs = await pass(isBack, 60_000, { between: talk, realMs: 40 });
    expect(tookMs).toBeLessThanOrEqual(60_000);
    for (let more = 0; more < 5; more++) await talk();
    await pass(() => seqs.length >= sent, 10_000);
    await Promise.all(acks);
    expect(seqs).toEqual(range(1, sent));
    expect(errors).toEqual([]);
    expect(client.outbox).toEqual([]);
  });

  it("RES-1, HTTP-13: falls back in the middle of a conversation, when WebSockets stop to work", async () => {
    const { client, room, seqs } = await start();
    await pass(() => client.status === "connected" && room.status === "joined", 5_000);
    expect(client.transport).toBe("websocket");
    const acks = say(room, 5);
    await pass(() => seqs.length === 5, 5_000);
    proxy.upgrades = "refuse";
    proxy.cutAll();
    acks.push(...say(room, 5));
    for (let index = 0; index < 5; index++) await server.room("room").publish("noted", {});
    await pass(() => seqs.length >= 15, 60_000);
    await Promise.all(acks);
    expect(client.transport).toBe("sse");
    expect(seqs).toEqual(range(1, 15));
  });

  it("works where streams are held back, too", async () => {
    proxy.upgrades = "refuse";
    proxy.holdsStreams = true;
    const { client, room, seqs } = await start();
    await pass(() => client.status === "connected" && room.status === "joined", 30_000);
    expect(["long-polling", "polling"]).toContain(client.transport);
    const acks = say(room, 5);
    await pass(() => seqs.length === 5, 10_000);
    await Promise.all(acks);
    expect(seqs).toEqual(range(1, 5));
  });
});
