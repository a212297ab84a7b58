import { mkdtempSync, rmSync } from "node:fs";
import { createServer as createHttpServer, request as httpRequest, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { signToken } from "../../src/auth/jwt.ts";
import {
  type Client,
  type ClientOptions,
  createClient,
  type Envelope,
  type TransportName,
} from "../../src/client/node.ts";
import { systemClock } from "../../src/protocol/clock.ts";
import { devToken, startServer, until } from "../harness.ts";

const SECRET = "a secret of more than thirty-two bytes, for tests";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const ALL: readonly TransportName[] = ["websocket", "sse", "long-polling", "polling"];

async function start(options: Parameters<typeof startServer>[0] = {}): ReturnType<typeof startServer> {
  const server = await startServer(options);
  cleanups.push(() => server.close());
  return server;
}

/** What becomes of an upgrade on its way through a {@link Middlebox}. */
type UpgradeFate = "pass" | "refuse" | "hang";

/** Something between client and server that passes requests on, and upgrades as it is told. */
interface Middlebox {
  readonly wsUrl: string;
  upgrades: UpgradeFate;
  /** Whether answers are held back until they are whole, so that no stream comes through. */
  buffers: boolean;
  /** Cuts everything that is open. */
  cut(): void;
}

async function startMiddlebox(target: string): Promise<Middlebox> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
  };
  const server: Server = createHttpServer((incoming, response) => {
    const { method, headers, url } = incoming;
    const onward = httpRequest({ hostname, port, path: url, method, headers, agent: false }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      if (!box.buffers) response.flushHeaders();
      const pieces: Buffer[] = [];
      answer.on("data", (piece: Buffer) => (box.buffers ? pieces.push(piece) : response.write(piece)));
      answer.on("end", () => response.end(Buffer.concat(pieces)));
      answer.on("error", () => response.destroy());
    });
    onward.on("error", () => response.destroy());
    incoming.pipe(onward);
    response.on("close", () => onward.destroy());
  });
  server.on("connection", keep);
  server.on("upgrade", (incoming, socket, head) => {
    if (box.upgrades === "hang") return;
    if (box.upgrades === "refuse") return void socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    const onward = connect(Number(port), hostname);
    keep(onward);
    const lines = incoming.rawHeaders.flatMap((name, at, all) => (at % 2 === 0 ? [`${name}: ${all[at + 1]}`] : []));
    onward.write(`GET ${incoming.url} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
    onward.write(head);
    onward.pipe(socket).pipe(onward);
    socket.on("close", () => onward.destroy());
    onward.on("close", () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const box: Middlebox = {
    wsUrl: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws`,
    upgrades: "pass",
    buffers: false,
    cut() {
      for (const socket of sockets) socket.destroy();
    },
  };
  cleanups.push(() => {
    box.cut();
    server.close();
  });
  return box;
}

interface Watched {
  readonly client: Client;
  /** `seq` of every event of `chat:lobby` that was handed on. */
  readonly seqs: number[];
  readonly told: string[];
  readonly errors: string[];
  connected(): Promise<void>;
}

function watch(url: string, options: ClientOptions = {}): Watched {
  const client = createClient(url, { reconnectInterval: 50, pollIntervalMs: 100, ...options });
  cleanups.push(() => client.close());
  const watched: Watched = {
    client,
    seqs: [],
    told: [],
    errors: [],
    connected: () => until(() => client.status === "connected"),
  };
  client.on("*", (_payload, envelope) => {
    if (envelope.seq !== undefined && envelope.roomId === "chat:lobby") watched.seqs.push(envelope.seq);
  });
  client.on("error", (error) => watched.errors.push(`${error.code}: ${error.message}`));
  for (const name of ["connected", "disconnected", "transport"] as const) {
    client.on(name, (payload: unknown) => void watched.told.push(typeof payload === "string" ? payload : name));
  }
  return watched;
}

const upTo = (n: number): number[] => Array.from({ length: n }, (_, index) => index + 1);

describe.each(ALL)("%s against the server", (transport) => {
  const by = (url: string, options: ClientOptions = {}): Watched => watch(url, { transports: [transport], ...options });

  it("joins with history, sends in order, and hears of others", async () => {
    const server = await start();
    const writer = watch(server.wsUrl, { transports: ["websocket"], token: await devToken(server.url, "bob") });
    const written = writer.client.join("lobby");
    for (let n = 1; n <= 5; n++) await written.emitWithAck("send_message", { content: `old ${n}` });
    const reader = by(server.wsUrl, { token: await devToken(server.url, "ann") });
    const room = reader.client.join("lobby", { limit: 3 });
    await expect(room.joined).resolves.toMatchObject({ roomId: "chat:lobby" });
    expect(reader.client.transport).toBe(transport);
    expect(reader.client.user).toMatchObject({ id: "ann" });
    await until(() => reader.seqs.length === 3);
    const acks = await Promise.all(
      upTo(50).map((n) => room.emitWithAck("send_message", { content: `new ${n}` }) as Promise<{ seq: number }>),
    );
    expect(acks.map(({ seq }) => seq)).toEqual(upTo(50).map((n) => n + 5));
    await until(() => reader.seqs.length === 53);
    await written.emitWithAck("send_message", { content: "hello" });
    await until(() => reader.seqs.length === 54);
    expect(reader.seqs).toEqual(upTo(54).map((n) => n + 2));
    expect(reader.errors).toEqual([]);
    expect(reader.told).toEqual(["connected", transport]);
  });

  it("RES-1: after a cut goes on where it was, with what was sent meanwhile", async () => {
    const server = await start();
    const box = await startMiddlebox(server.url);
    const { client, seqs, errors } = by(box.wsUrl, { token: await devToken(server.url, "ann") });
    const room = client.join("lobby");
    await room.joined;
    const acks: Promise<unknown>[] = [];
    for (let n = 1; n <= 40; n++) {
      acks.push(room.emitWithAck("send_message", { content: `${n}` }));
      if (n % 10 === 0) {
        await acks.at(-1);
        box.cut();
      }
    }
    await Promise.all(acks);
    await until(() => seqs.length >= 40);
    expect(seqs).toEqual(upTo(40));
    expect(errors).toEqual([]);
  });

  it("JOIN-5: leaves a room and stays in the other", async () => {
    const server = await start();
    const watched = by(server.wsUrl, { token: await devToken(server.url, "ann") });
    const lobby = watched.client.join("lobby");
    const other = watched.client.join("other");
    await Promise.all([lobby.joined, other.joined]);
    const bystander = watch(server.wsUrl, { transports: ["websocket"], token: await devToken(server.url, "bob") });
    const gone: unknown[] = [];
    const seen = bystander.client.join("lobby");
    seen.on("user_left", (payload) => void gone.push(payload));
    await seen.joined;
    const left: Envelope[] = [];
    watched.client.on("left_room", (_payload, envelope) => void left.push(envelope));
    lobby.leave();
    await until(() => left.length === 1);
    // At once, not after the 10 s of a drop (MEM-2).
    await until(() => gone.length === 1, 5_000);
    await seen.emitWithAck("send_message", { content: "anybody?" });
    await other.emitWithAck("send_message", { content: "here" });
    expect(other.status).toBe("joined");
    expect(watched.seqs).toEqual([]);
    const again = watched.client.join("lobby", { limit: 10 });
    await again.joined;
    await until(() => watched.seqs.length === 1);
    expect(watched.errors).toEqual([]);
  });

  it("JOIN-4: a refused join is refused", async () => {
    const server = await start();
    const { client } = by(server.wsUrl, { token: await devToken(server.url, "ann") });
    const room = client.join("nowhere:x");
    room.on("error", () => {});
    await expect(room.joined).rejects.toMatchObject({ code: "unknown_type" });
    await expect(client.join("lobby").joined).resolves.toBeDefined();
  });

  it("AUTH-5: a guest stays the same guest", async () => {
    const server = await start();
    const { client } = by(server.wsUrl);
    const room = client.join("lobby");
    await room.joined;
    const { user } = client;
    expect(user?.id).toMatch(/^guest-/);
    const message = room.send("send_message", { content: "hi" });
    await message.ack;
    const seen: unknown[] = [];
    room.on("new_message", (payload) => void seen.push((payload as { userId: string }).userId));
    await room.emitWithAck("send_message", { content: "again" });
    await until(() => seen.length > 0);
    expect(seen.every((id) => id === user?.id)).toBe(true);
    client.cut();
    await until(() => room.status === "joined");
    expect(client.user).toEqual(user);
  });

  it("AUTH-2: refreshes its token in place; refused, it stays with the old one", async () => {
    const server = await start({ dev: false, auth: { secret: SECRET } });
    let asked = 0;
    const token = (): Promise<string> => {
      asked++;
      const secret = asked === 2 ? `not ${SECRET}` : SECRET;
      return signToken(secret, { user: "ann", expiresInMs: 3_000 }, systemClock);
    };
    const { client, told, errors } = by(server.wsUrl, { token });
    const room = client.join("lobby");
    await room.joined;
    await until(() => errors.length === 1);
    expect(errors[0]).toMatch(/^unauthenticated/);
    const first = room.emitWithAck("send_message", { content: "with the old one" });
    await expect(first).resolves.toMatchObject({ seq: 1 });
    await until(() => asked >= 4);
    await expect(room.emitWithAck("send_message", { content: "with a new one" })).resolves.toMatchObject({ seq: 2 });
    expect(told).toEqual(["connected", transport]);
    expect(errors).toHaveLength(1);
  });
});

describe("one way after the other", () => {
  const room = (watched: Watched) => watched.client.join("lobby");

  it.each(["refuse", "hang"] as const)("upgrades that %s: by SSE within 5 s", async (fate) => {
    const server = await start();
    const box = await startMiddlebox(server.url);
    box.upgrades = fate;
    const startedAt = performance.now();
    const watched = watch(box.wsUrl, { token: await devToken(server.url, "ann") });
    await room(watched).emitWithAck("send_message", { content: "hi" });
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    expect(watched.told).toEqual(["connected", "sse"]);
  });

  it("streams that are held back: by long polling", async () => {
    const server = await start();
    const box = await startMiddlebox(server.url);
    Object.assign(box, { upgrades: "refuse", buffers: true });
    const watched = watch(box.wsUrl, { token: await devToken(server.url, "ann") });
    await room(watched).emitWithAck("send_message", { content: "hi" });
    await until(() => watched.seqs.length === 1);
    expect(watched.told).toEqual(["connected", "long-polling"]);
  });

  it("a block that is lifted: back on the WebSocket, and nobody notices", async () => {
    const server = await start();
    const box = await startMiddlebox(server.url);
    box.upgrades = "refuse";
    const watched = watch(box.wsUrl, { token: await devToken(server.url, "ann"), probeIntervalMs: 200 });
    const acks = upTo(20).map((n) => room(watched).emitWithAck("send_message", { content: `${n}` }));
    await Promise.all(acks);
    box.upgrades = "pass";
    let n = acks.length;
    while (watched.client.transport !== "websocket" || n % 20 !== 0) {
      acks.push(room(watched).emitWithAck("send_message", { content: `${++n}` }));
      if (n % 10 === 0) await acks.at(-1);
    }
    await Promise.all(acks);
    await until(() => watched.seqs.length >= n);
    expect(watched.seqs).toEqual(upTo(n));
    expect(watched.told).toEqual(["connected", "sse", "websocket"]);
    expect(watched.errors).toEqual([]);
  });

  it("a block that comes and goes, with cuts: each message once, in order, for the writer and a reader", async () => {
    const server = await start();
    const box = await startMiddlebox(server.url);
    const options = { probeIntervalMs: 50, reconnectInterval: 20, ackTimeoutMs: 500 };
    const writer = watch(box.wsUrl, { ...options, token: await devToken(server.url, "ann") });
    const reader = watch(box.wsUrl, { ...options, token: await devToken(server.url, "bob") });
    await Promise.all([room(writer).joined, room(reader).joined]);
    const seen = new Set<string>();
    for (const { client } of [writer, reader]) client.on("transport", (name) => void seen.add(name));
    const total = 600;
    const acks: Promise<{ seq?: number }>[] = [];
    for (let n = 1; n <= total; n++) {
      acks.push(room(writer).emitWithAck("send_message", { content: `${n}` }));
      if (n % 100 === 0) box.upgrades = n % 200 === 0 ? "pass" : "refuse";
      if (n % 50 === 0) box.cut();
      if (n % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
      if (n % 100 === 60) await acks.at(-1);
    }
    const seqs = (await Promise.all(acks)).map(({ seq }) => seq);
    await until(() => writer.seqs.length >= total && reader.seqs.length >= total, 20_000);
    expect(seqs).toEqual(upTo(total));
    expect(writer.seqs).toEqual(upTo(total));
    expect(reader.seqs).toEqual(upTo(total));
    expect([...seen]).toContain("sse");
    expect([writer.errors, reader.errors]).toEqual([[], []]);
  });

  it.each(["sse", "polling"] as const)(
    "by %s a server that restarts is found again, and nothing is lost",
    async (way) => {
      const directory = mkdtempSync(join(tmpdir(), "yamabiko-"));
      cleanups.push(() => rmSync(directory, { recursive: true }));
      const options = { log: `sqlite:${join(directory, "log.db")}`, auth: { secret: SECRET } };
      const first = await start(options);
      const { port } = new URL(first.url);
      const token = await signToken(SECRET, { user: "ann", expiresInMs: 3_600_000 }, systemClock);
      const watched = watch(first.wsUrl, { token, transports: [way] });
      const acks = [room(watched).emitWithAck("send_message", { content: "1" })];
      await acks[0];
      await first.close();
      acks.push(room(watched).emitWithAck("send_message", { content: "2" }));
      await start({ ...options, port: Number(port) });
      await Promise.all(acks);
      await until(() => watched.seqs.length >= 2);
      expect([watched.seqs, watched.errors]).toEqual([[1, 2], []]);
    },
  );

  it("a server that is not there is not asked by every way", async () => {
    const asked: string[] = [];
    const { client } = watch("ws://127.0.0.1:9/ws", {
      maxReconnectAttempts: 2,
      fetch: (url, init) => {
        asked.push(String(url));
        return fetch(url, init);
      },
    });
    await until(() => client.status === "closed");
    expect(asked).toEqual(Array(3).fill("http://127.0.0.1:9/api/events"));
  });
});
