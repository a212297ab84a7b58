import { deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import type { Envelope } from "../../src/protocol/index.ts";
import { startServer, until } from "../harness.ts";

let server: Awaited<ReturnType<typeof startServer>>;
const sockets: WebSocket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.terminate();
  await server.close();
});

interface Client {
  readonly socket: WebSocket;
  readonly received: Envelope[];
  /** Bytes that came in since the handshake. */
  bytes(): number;
  send(envelope: object): void;
}

async function connect(options: WebSocket.ClientOptions = {}, room = "feed:news"): Promise<Client> {
  const socket = new WebSocket(server.wsUrl, ["yamabiko.v1.json"], { perMessageDeflate: true, ...options });
  sockets.push(socket);
  const received: Envelope[] = [];
  socket.on("message", (data) => received.push(JSON.parse(String(data)) as Envelope));
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
  const stream = (socket as unknown as { _socket: { bytesRead: number } })._socket;
  const send = (envelope: object): void => socket.send(JSON.stringify(envelope));
  send({ type: "join_room", payload: { roomId: room } });
  await until(() => received.some(({ type }) => type === "room_users"));
  const before = stream.bytesRead;
  return { socket, received, bytes: () => stream.bytesRead - before, send };
}

const news = ({ received }: Client): unknown[] =>
  received.filter(({ type }) => type === "news").map(({ payload }) => payload);

describe("CON-6: compression", () => {
  it("CON-6: is negotiated only where the server offers it, and without context takeover", async () => {
    server = await startServer();
    expect((await connect()).socket.extensions).toBe("");
    await server.close();
    server = await startServer({ compression: true });
    const { socket } = await connect();
    expect(socket.extensions).toBe("permessage-deflate");
    const without = await connect({ perMessageDeflate: false });
    expect(without.socket.extensions).toBe("");
  });

  it("CON-6: large messages take fewer bytes, small ones are as they were, and all say the same to everybody", async () => {
    server = await startServer({ compression: true });
    const deflated = await connect();
    const plain = await connect({ perMessageDeflate: false });
    const room = server.room("feed:news");
    const large = { text: "the same words again and again ".repeat(200) };
    await room.publish("news", { small: 1 });
    await room.publish("news", large);
    await until(() => news(deflated).length === 2 && news(plain).length === 2);
    expect(news(deflated)).toEqual([{ small: 1 }, large]);
    expect(news(plain)).toEqual(news(deflated));
    expect(plain.bytes()).toBeGreaterThan(6_000);
    expect(deflated.bytes()).toBeLessThan(1_000);
  });

  it("CON-6: whatever is published comes back as it was, live and from the log", async () => {
    server = await startServer({ compression: true });
    const client = await connect();
    const room = server.room("feed:news");
    const sent: unknown[] = [];
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "grapheme", maxLength: 6_000 }), async (text) => {
        const payload = { text };
        sent.push(payload);
        await room.publish("news", payload);
        await until(() => news(client).length === sent.length);
        expect(news(client).at(-1)).toEqual(payload);
      }),
      { numRuns: 30 },
    );
    const late = await connect();
    late.send({ type: "join_room", payload: { roomId: "feed:news", after: 0 } });
    await until(() => news(late).length === sent.length);
    expect(news(late)).toEqual(sent);
  });

  it("[case 34] CON-6, ENV-6: the size limit counts what comes out, so a small frame that becomes large closes the connection", async () => {
    server = await startServer({ compression: true });
    const bomber = await connect();
    const neighbour = await connect();
    const closed = new Promise<number>((resolve) => bomber.socket.once("close", resolve));
    bomber.socket.send(JSON.stringify({ type: "ping", payload: { text: "a".repeat(5_000_000) } }));
    expect(await closed).toBe(1009);
    neighbour.send({ type: "ping", payload: { n: 1 } });
    await until(() => neighbour.received.some(({ type }) => type === "pong"));
    expect(deflateRawSync("a".repeat(5_000_000)).length).toBeLessThan(64 * 1024);
  });

  it("CON-6: one with a smaller window gets messages as they are", async () => {
    server = await startServer({ compression: true });
    const client = await connect({ perMessageDeflate: { serverMaxWindowBits: 10 } });
    await server.room("feed:news").publish("news", { text: "x".repeat(6_000) });
    await until(() => news(client).length === 1);
    expect(client.bytes()).toBeGreaterThan(6_000);
  });

  it("CON-6: what clients send compressed arrives, in order", async () => {
    server = await startServer({ compression: true });
    const client = await connect({}, "chat:lobby");
    for (let n = 1; n <= 20; n++) {
      const content = `${n} ${"long ".repeat(n % 2 === 0 ? 300 : 1)}`;
      client.send({ type: "send_message", payload: { roomId: "lobby", content }, messageId: `m${n}` });
    }
    await until(() => client.received.filter(({ type }) => type === "ack").length === 20);
    const seqs = client.received
      .filter(({ type }) => type === "new_message")
      .map(({ payload }) => Number.parseInt((payload as { content: string }).content, 10));
    await until(() => client.received.filter(({ type }) => type === "new_message").length === 20);
    expect(seqs).toEqual(Array.from(seqs.keys(), (index) => index + 1));
  });
});
