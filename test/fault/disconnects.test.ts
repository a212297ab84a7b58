import { once } from "node:events";
import { createServer as createHttpServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { createMemoryBus, createMemoryHub } from "../../src/bus/memory.ts";
import { createClient } from "../../src/client/node.ts";
import { createMemoryLog } from "../../src/log/memory.ts";
import { createRemoteLog, serveLog } from "../../src/log/remote.ts";
import type { AbnormalDisconnects } from "../../src/observe/disconnect-watch.ts";
import { createLogger } from "../../src/observe/logger.ts";
import type { ServerOptions } from "../../src/server/options.ts";
import { createPortPair } from "../contract/port-pair.ts";
import { RawClient, startServer, until } from "../harness.ts";
import { FaultProxy } from "./proxy.ts";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

type Running = Awaited<ReturnType<typeof startServer>>;

async function start(options: ServerOptions = {}): Promise<Running & { alerts: AbnormalDisconnects[] }> {
  const server = await startServer(options);
  cleanups.push(() => server.close());
  const alerts: AbnormalDisconnects[] = [];
  server.on("abnormal_disconnects", (alert) => alerts.push(alert));
  return Object.assign(server, { alerts });
}

async function proxyTo(port: number): Promise<FaultProxy> {
  const proxy = await FaultProxy.start(port);
  cleanups.push(() => proxy.close());
  return proxy;
}

const portOf = ({ url }: { url: string }): number => Number(new URL(url).port);

async function openAll(wsUrl: string, count: number): Promise<RawClient[]> {
  const at = { wsUrl, url: wsUrl };
  const clients = await Promise.all(Array.from({ length: count }, () => RawClient.open(at)));
  for (const client of clients) client.socket.on("error", () => {});
  cleanups.push(() => {
    for (const client of clients) client.socket.terminate();
  });
  return clients;
}

/** Takes what is posted to it. */
async function startReceiver(): Promise<{ url: string; posted: AbnormalDisconnects[] }> {
  const posted: AbnormalDisconnects[] = [];
  const receiver: Server = createHttpServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (chunk: string) => {
      body += chunk;
    });
    request.on("end", () => {
      posted.push(JSON.parse(body) as AbnormalDisconnects);
      response.end();
    });
  }).listen(0, "127.0.0.1");
  await once(receiver, "listening");
  cleanups.push(() => receiver.close());
  return { url: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`, posted };
}

describe("connections that end badly", () => {
  it("are reported within 10 s when a proxy cuts a fifth of them, with the right class and cause, everywhere", async () => {
    const { url: webhook, posted } = await startReceiver();
    const lines: string[] = [];
    const logger = createLogger({ level: "info", destination: { write: (line) => void lines.push(line) } });
    const server = await start({ alerts: { webhook }, logger });
    const [steady, failing] = [await proxyTo(portOf(server)), await proxyTo(portOf(server))];
    await openAll(steady.wsUrl, 40);
    await openAll(failing.wsUrl, 10);
    await until(() => server.connections === 50);

    failing.cut();
    // The time that it may take is the promise; how long it takes here is not measured.
    await until(() => server.alerts.length > 0, 10_000);
    expect(server.alerts[0]).toMatchObject({
      class: "network",
      count: 10,
      connections: 50,
      transports: { websocket: 10 },
      likelyCause: { name: "cut_at_once" },
    });
    await until(() => posted.length > 0);
    expect(posted[0]).toMatchObject({ event: "abnormal_disconnects", class: "network", count: 10 });
    const logged = lines.map((line) => JSON.parse(line) as { event?: string; msg: string; class?: string });
    expect(logged.filter(({ event }) => event === "abnormal_disconnects")).toHaveLength(1);
    expect(logged.filter(({ msg }) => msg === "connection ended")).toHaveLength(10);
    const metrics = await server.metrics();
    expect(metrics).toContain('yamabiko_disconnects_total{class="network",reason="aborted"} 10\n');
    expect(metrics).toContain('yamabiko_disconnect_alerts_total{class="network"} 1\n');
    expect(metrics).toContain("yamabiko_disconnect_alerts 1\n");
    expect(server.connections).toBe(40);
  });

  it("are not reported when the clients say goodbye, whichever code they say it with", async () => {
    const server = await start();
    const clients = await openAll(server.wsUrl, 20);
    for (const [index, client] of clients.entries()) client.socket.close([1000, 1001, 4000, 4401][index % 4]);
    await until(() => server.connections === 0);
    const metrics = await server.metrics();
    expect(metrics).toContain('yamabiko_disconnects_total{class="client",reason="normal"} 15\n');
    expect(metrics).toContain('yamabiko_disconnects_total{class="client",reason="going_away"} 5\n');
  });

  it("are not reported for a rolling deploy: each node ends and its clients go on at the next one", async () => {
    const log = createMemoryLog();
    const hub = createMemoryHub();
    // The log outlives the nodes.
    const startNode = () => {
      const [here, there] = createPortPair();
      serveLog(log, there);
      // A secret of all nodes: guests are known again at the next one.
      const auth = { secret: "a secret that all nodes have, and nobody else" };
      const limits = { connectionsPerIp: 0, handshakesPerSecond: 0 };
      return start({
        log: createRemoteLog(here),
        bus: createMemoryBus({ hub }),
        dev: false,
        guests: true,
        auth,
        limits,
      });
    };
    const nodes = [await startNode()];
    const proxy = await proxyTo(portOf(nodes[0]!));
    const clients = Array.from({ length: 30 }, () =>
      createClient(`http://127.0.0.1:${proxy.port}`, { transports: ["websocket"] }),
    );
    cleanups.push(() => {
      for (const client of clients) client.close();
    });
    for (const client of clients) client.join("chat:lobby", { limit: 0 });
    await until(() => nodes[0]!.connections === 30);
    for (let deploy = 0; deploy < 2; deploy++) {
      const next = await startNode();
      nodes.push(next);
      proxy.targetPort = portOf(next);
      await nodes.at(-2)!.close();
      await until(() => next.connections === 30);
    }
    // Once one is told of what is not a deploy, it would have been told of the others as well.
    const last = nodes.at(-1)!;
    proxy.refusing = true;
    proxy.cut();
    await until(() => last.alerts.length > 0);
    expect(nodes.flatMap(({ alerts }) => alerts)).toEqual([expect.objectContaining({ class: "network", count: 30 })]);
    for (const node of nodes.slice(0, -1)) {
      expect(await node.metrics()).toContain('yamabiko_disconnects_total{class="drain",reason="restart"} 30\n');
    }
  });
});
