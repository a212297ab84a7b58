import { randomUUID } from "node:crypto";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { signToken } from "../../src/auth/jwt.ts";
import { nginxConfig } from "../../src/bin/nginx-config.ts";
import type { TransportName } from "../../src/client/node.ts";
import { createRedisLog } from "../../src/log/redis.ts";
import { checkHistory } from "../../src/testing/checker.ts";
import { History, RecordedClient, readLogSeam } from "../fault/recorded-client.ts";
import { startServer, until } from "../harness.ts";
import { NginxServer } from "../support/nginx-server.ts";
import { freePort } from "../support/process.ts";
import { RedisServer } from "../support/redis-server.ts";

const SECRET = "thirty-two bytes of a test's key";
const TRANSPORTS: readonly TransportName[] = ["websocket", "sse", "long-polling", "polling"];
/** How long somebody may be away in a rolling restart, ms; on a quiet machine it is less than 2 s. */
const LONGEST_AWAY_MS = 6_000;
const redis = await RedisServer.start();
afterAll(() => redis.stop());

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

type Node = Awaited<ReturnType<typeof startServer>>;

async function startNode(port: number): Promise<Node> {
  return startServer({ log: redis.url, auth: { secret: SECRET }, port, trustedProxies: ["127.0.0.1"], dev: false });
}

/** Two nodes on one Redis, and an nginx that takes each request to any of them. */
async function startNodes() {
  const ports = [await freePort(), await freePort()];
  const nodes = await Promise.all(ports.map(startNode));
  ends.push(() => Promise.all(nodes.map((node) => node.close())));
  const config = nginxConfig({
    nodes: ports.map((port) => `127.0.0.1:${port}`),
    sticky: false,
    path: "/",
    tls: false,
  });
  // By chance alone, so that two requests of one client meet at different nodes as often as can be.
  const nginx = await NginxServer.start(config.replace("random two least_conn;", "random;"));
  ends.push(() => nginx.stop());
  return { ports, nodes, nginx };
}

/** A client of one transport whose times away are noted. */
async function join(history: History, room: string, transport: TransportName, url: string, away: number[]) {
  const token = await signToken(SECRET, { user: transport, expiresInMs: 3_600_000 });
  const options = { token, transports: [transport], reconnectInterval: 1_000, maxReconnectInterval: 30_000 };
  const client = new RecordedClient(history, transport, url, options);
  ends.push(() => client.close());
  let lostAt = 0;
  client.client.on("disconnected", () => {
    lostAt = performance.now();
  });
  client.client.on("connected", () => {
    if (lostAt !== 0) away.push(performance.now() - lostAt);
  });
  await client.join(room).joined;
  return client;
}

/** Waits until all have everything, and judges what they were given by what is in the log. */
async function judge(history: History, room: string, clients: readonly RecordedClient[]) {
  const log = await createRedisLog({ url: redis.url });
  ends.push(() => log.close());
  const { head } = (await log.heads([room])).get(room)!;
  await Promise.all(clients.map((client) => client.reached(room, head)));
  await readLogSeam(history, log, room);
  const verdict = checkHistory(history.records);
  expect(verdict.examples).toEqual([]);
  expect(verdict.counts.delivered).toBe(head * clients.length);
  expect(verdict.counts.inLog).toBe(verdict.counts.sent);
  expect(verdict.counts.acked).toBe(verdict.counts.sent);
  return verdict.counts;
}

describe("two nodes behind nginx without stickiness", () => {
  it("[case 60] RES-1: serve one client on every transport, each request at any node", {
    timeout: 60_000,
  }, async () => {
    const { ports, nginx } = await startNodes();
    const history = new History();
    const room = `chat:balanced-${randomUUID()}`;
    const clients = await Promise.all(TRANSPORTS.map((transport) => join(history, room, transport, nginx.wsUrl, [])));
    for (let round = 0; round < 5; round++) {
      const sent = clients.flatMap((client) => [1, 2, 3, 4].map((index) => client.send(room, `${round} ${index}`)));
      await Promise.all(sent.map(({ ack }) => ack));
    }
    expect(await judge(history, room, clients)).toMatchObject({ sent: 80 });
    for (const client of clients) expect(client.client.transport).toBe(client.name);
    const requests = await nginx.requests();
    for (const port of ports) expect(requests).toContain(`POST 127.0.0.1:${port} 200`);
  });

  it("[case 55] CLS-1, CLS-2: a rolling restart under load loses and repeats nothing, and is short", {
    timeout: 90_000,
  }, async () => {
    const { ports, nodes, nginx } = await startNodes();
    const history = new History();
    const room = `chat:rolling-${randomUUID()}`;
    const away: number[] = [];
    const clients = await Promise.all(TRANSPORTS.map((transport) => join(history, room, transport, nginx.wsUrl, away)));
    let isSending = true;
    const acks: Promise<unknown>[] = [];
    const load = (async () => {
      for (let number = 0; isSending; number++) {
        for (const client of clients) acks.push(client.send(room, `number ${number}`).ack);
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
    })();
    const restarts: number[] = [];
    // Twice around, so that everybody was at a node that left.
    for (const index of [0, 1, 0, 1]) {
      const before = clients.map(({ acked }) => acked);
      const startedAt = performance.now();
      await nodes[index]!.close();
      restarts.push(performance.now() - startedAt);
      nodes[index] = await startNode(ports[index]!);
      await until(() => clients.every(({ acked }, at) => acked > before[at]!), 20_000);
    }
    isSending = false;
    await load;
    await Promise.all(acks);
    const counts = await judge(history, room, clients);
    if (process.env.TEST_LOG === "1") console.log({ counts, away, restarts });
    expect(away.length).toBeGreaterThan(0);
    expect(Math.max(...away)).toBeLessThan(LONGEST_AWAY_MS);
    expect(Math.max(...restarts)).toBeLessThan(10_000);
  });
});
