import type { Socket } from "node:net";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { RawClient, until, upgrade } from "../harness.ts";
import { OPCODE, RawSocket } from "./raw-socket.ts";
import { IS_FULL, Siege } from "./siege.ts";

const CRLF = "\r\n";
const TIMEOUT = { timeout: 180_000 };
const HANDSHAKE = [
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];
const get = (path: string, ...lines: string[]) =>
  [`GET ${path} HTTP/1.1`, "Host: 127.0.0.1", ...lines, "", ""].join(CRLF);
const handshake = (path = "/ws", ...more: string[]) => get(path, ...HANDSHAKE, ...more);

describe("sockets that are misused", () => {
  let siege: Siege;
  afterEach(() => siege.end());

  it("[case 36] those that send a byte now and then are let go when their time is over", TIMEOUT, async () => {
    siege = await Siege.start({ limits: { handshakeMs: 1_000 } });
    const count = IS_FULL ? 700 : 40;
    const beginnings = [
      "",
      "G",
      get("/ws").slice(0, -2),
      handshake().slice(0, -2),
      `POST /api/messages HTTP/1.1${CRLF}Host: 127.0.0.1${CRLF}X-Slow: `,
    ];
    const slow = Array.from({ length: count }, (_, index) => siege.open(beginnings[index % beginnings.length]));
    const dripping = setInterval(() => {
      for (const { socket, isClosed } of slow) if (!isClosed) socket.write("x");
    }, 200);
    try {
      await until(() => slow.every(({ isClosed }) => isClosed), 20_000);
    } finally {
      clearInterval(dripping);
    }
    expect((await upgrade(siege.server.url)).status).toBe(101);
    await siege.calm();
  });

  it("[case 36] bodies that trickle in have so many places per address, and their time", TIMEOUT, async () => {
    siege = await Siege.start({ limits: { connectionsPerIp: 3 } });
    const head = `POST /api/messages HTTP/1.1${CRLF}Host: 127.0.0.1${CRLF}Content-Type: application/json${CRLF}Content-Length: 1000${CRLF}${CRLF}{`;
    const slow = Array.from({ length: 20 }, () => siege.open(head));
    await until(() => slow.filter(({ said }) => said.includes(" 429 ")).length >= 8);
    expect(await siege.metric('rate_limited_total{limit="connectionsPerIp"}')).toBeGreaterThan(0);
    for (const { socket } of slow) socket.destroy();
    await until(async () => (await upgrade(siege.server.url)).status === 101);
    if (IS_FULL) {
      const last = siege.open(head);
      await until(() => last.isClosed, 40_000);
    }
    await siege.calm();
  });

  it(
    "[case 35] fragments of nothing, one after the other, cost no memory and end with the connection",
    TIMEOUT,
    async () => {
      siege = await Siege.start();
      const socket = await RawSocket.open(siege.server.url);
      socket.write(RawSocket.frame(OPCODE.text, Buffer.alloc(0), { fin: false }));
      const nothing = RawSocket.frame(OPCODE.continuation, Buffer.alloc(0), { fin: false });
      const many = Buffer.concat(Array<Buffer>(10_000).fill(nothing));
      const write = async (): Promise<void> => {
        const before = socket.bytesWritten;
        socket.write(many);
        await until(() => socket.isEnded || socket.bytesWritten > before);
      };
      await write();
      const before = siege.held();
      for (let round = 0; round < (IS_FULL ? 200 : 20) && !socket.isEnded; round++) await write();
      expect(siege.held() - before).toBeLessThan(4 * 1024 * 1024);
      socket.destroy();
      await siege.calm();
    },
  );

  it("[case 33] a header, or a message of fragments of a byte, is cut off at its limit", TIMEOUT, async () => {
    siege = await Siege.start({ limits: { messageBytes: 10_000 } });
    const header = siege.open(get("/ws", `X-Long: ${"x".repeat(1024 * 1024)}`));
    await until(() => header.isClosed);
    expect(header.said).toMatch(/^HTTP\/1\.1 431|^$/);
    const socket = await RawSocket.open(siege.server.url);
    const before = siege.held();
    socket.write(RawSocket.frame(OPCODE.text, Buffer.from("x"), { fin: false }));
    const byte = RawSocket.frame(OPCODE.continuation, Buffer.from("x"), { fin: false });
    socket.write(Buffer.concat(Array<Buffer>(10_001).fill(byte)));
    await until(() => socket.closeCode !== null);
    expect(socket.closeCode).toBe(1009);
    expect(siege.held() - before).toBeLessThan(4 * 1024 * 1024);
    socket.destroy();
    await siege.calm();
  });

  it(
    "[case 34] many messages at once that become very large are cut off at the limit, and none is held",
    TIMEOUT,
    async () => {
      siege = await Siege.start({ compression: true });
      const bomb = Buffer.alloc((IS_FULL ? 32 : 4) * 1024 * 1024);
      const clients = await Promise.all(
        Array.from({ length: IS_FULL ? 60 : 12 }, async () => {
          const client = new RawClient(siege.server.wsUrl, [], { perMessageDeflate: true });
          await client.opened();
          return client;
        }),
      );
      const before = siege.held();
      for (const { socket } of clients) socket.send(bomb, { binary: false, compress: true });
      for (const { closed } of clients) expect((await closed).code).toBe(1009);
      expect(siege.held() - before).toBeLessThan(16 * 1024 * 1024);
      await siege.calm();
    },
  );

  it(
    "[case 39] [article 3] whoever leaves, at whatever moment and however it is refused, gives its place back",
    TIMEOUT,
    async () => {
      const places = 4;
      siege = await Siege.start({ limits: { connectionsPerIp: places + 1, connectionsPerUser: 3 } });
      const { url } = siege.server;
      const exits: Record<string, () => Promise<void>> = {
        "says nothing": async () => void siege.open().socket.destroy(),
        "half a header": async () => void siege.open(handshake().slice(0, 60)).socket.resetAndDestroy(),
        "a bad request": async () => void siege.open(`BAD${CRLF}${CRLF}`),
        "no such door": async () => void (await upgrade(url, { path: "/nowhere" })),
        "another version": async () => void (await upgrade(url, { headers: { "Sec-WebSocket-Version": "8" } })),
        "a foreign page": async () => void (await upgrade(url, { headers: { Origin: "https://evil.example" } })),
        "a bad token": async () => void (await upgrade(url, { headers: { Authorization: "Bearer x" } })),
        "a bad ticket": async () => void (await upgrade(url, { path: "/ws?ticket=x.y" })),
        "a handshake, and gone": async () => void (await upgrade(url)),
        "a handshake, and reset": async () => {
          const { socket } = siege.open(handshake());
          socket.once("data", () => socket.resetAndDestroy());
        },
        "a good authenticate, then a bad frame": async () => {
          const client = await RawClient.open(siege.server, "eve").catch(() => null);
          client?.socket.send(Buffer.from("binary"));
        },
        "a refused authenticate": async () => {
          const client = await RawClient.open(siege.server).catch(() => null);
          client?.send("authenticate", { token: "bad" });
        },
        "a stream": async () =>
          void siege.open(get("/api/events?roomId=room")).socket.once("data", function (this: Socket) {
            this.destroy();
          }),
        "a stream of nothing": async () => void siege.open(get("/api/events", "Connection: close")),
        "a poll that waits": async () => {
          const { socket } = siege.open(get("/api/messages/wait?roomId=room"));
          await new Promise((resolve) => setTimeout(resolve, 5));
          socket.destroy();
        },
        "half a body": async () => {
          const { socket } = siege.open(
            `POST /api/messages HTTP/1.1${CRLF}Host: 127.0.0.1${CRLF}Content-Length: 9${CRLF}${CRLF}{`,
          );
          await new Promise((resolve) => setTimeout(resolve, 5));
          socket.resetAndDestroy();
        },
        "a whole body": async () =>
          void siege.open(
            `POST /api/messages HTTP/1.1${CRLF}Host: 127.0.0.1${CRLF}Connection: close${CRLF}Content-Length: 2${CRLF}${CRLF}{}`,
          ),
      };
      const free = async (): Promise<void> => {
        const held: RawClient[] = [];
        for (let place = 0; place < places; place++) {
          await until(async () => {
            const client = await RawClient.open(siege.server).catch(() => null);
            if (client !== null) held.push(client);
            return client !== null;
          });
        }
        expect((await upgrade(url)).status).toBe(429);
        for (const { socket } of held) socket.terminate();
        await until(() => siege.server.connections === 1);
      };
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.constantFrom(...Object.keys(exits)), { minLength: 3, maxLength: 12 }),
          async (names) => {
            await Promise.all(names.map((name) => exits[name]!().catch(() => {})));
            await free();
          },
        ),
        { numRuns: IS_FULL ? 200 : 12, examples: [[Object.keys(exits)]] },
      );
      expect(await siege.metric('rate_limited_total{limit="connectionsPerIp"}')).toBeGreaterThan(0);
      await siege.calm();
    },
  );
});
