import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { msgpackCodec } from "../codec/msgpack.ts";
import type { Envelope } from "../protocol/envelope.ts";
import { resolveLimits } from "../protocol/limits.ts";
import { msgpack } from "./msgpack.ts";
import { type Client, createClient } from "./node.ts";

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

interface Heard {
  readonly url: string;
  readonly sockets: WebSocket[];
  readonly envelopes: Envelope[];
}

async function listen(subprotocol: string): Promise<Heard> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", handleProtocols: () => subprotocol });
  await once(server, "listening");
  const heard: Heard = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/ws`,
    sockets: [],
    envelopes: [],
  };
  server.on("connection", (socket) => {
    heard.sockets.push(socket);
    const say = (envelope: Envelope): void => {
      if (subprotocol.endsWith("msgpack")) socket.send(msgpackCodec.encode(envelope));
      else socket.send(JSON.stringify(envelope));
    };
    socket.on("message", (data: Buffer, binary: boolean) => {
      const value = binary ? msgpackCodec.decode(data, resolveLimits()) : JSON.parse(data.toString());
      const envelope = value as Envelope;
      heard.envelopes.push(envelope);
      if (envelope.type === "join_room") {
        say({ type: "welcome", payload: { user: { id: "g", name: "g" }, heartbeatMs: 30_000 } });
        const payload = { roomId: "chat:lobby", epoch: "E", head: 0, cursor: "E:0", recovered: false };
        say({ type: "joined_room", payload });
        say({ type: "ack", messageId: envelope.messageId!, payload: { success: true } });
      }
      if (envelope.type === "send_message") {
        say({ type: "ack", messageId: envelope.messageId!, payload: { success: true, seq: 1 } });
      }
    });
  });
  cleanups.push(() => {
    for (const socket of heard.sockets) socket.terminate();
    server.close();
  });
  return heard;
}

function connected(client: Client): Client {
  cleanups.push(() => client.close());
  return client;
}

describe("in Node", () => {
  it("connects with ws, sends, and comes back after cut()", async () => {
    const heard = await listen("yamabiko.v1.json");
    const client = connected(createClient(heard.url, { reconnectInterval: 5 }));
    const room = client.join("lobby");
    await expect(room.emitWithAck("send_message", { content: "hi" })).resolves.toMatchObject({ seq: 1 });
    client.cut();
    await new Promise<void>((resolve) => room.once("joined", () => resolve()));
    expect(heard.sockets).toHaveLength(2);
    expect(heard.envelopes.filter((e) => e.type === "join_room")[1]?.payload).toMatchObject({ after: "E:0" });
  });

  it("CON-2, ENV-5: speaks MessagePack in binary frames", async () => {
    const heard = await listen("yamabiko.v1.msgpack");
    const client = connected(createClient(heard.url, { codec: msgpack() }));
    const ack = await client.join("lobby").emitWithAck("send_message", { content: "山彦", n: 1.5, nothing: null });
    expect(ack).toEqual({ success: true, seq: 1 });
    expect(heard.envelopes.at(-1)?.payload).toEqual({ roomId: "chat:lobby", content: "山彦", n: 1.5, nothing: null });
    expect(() => msgpack().decode("text")).toThrow(TypeError);
  });

  it("a server that is not there is a failed attempt", async () => {
    const client = connected(createClient("ws://127.0.0.1:9", { maxReconnectAttempts: 0 }));
    const errors: string[] = [];
    client.on("error", (error) => void errors.push(error.code));
    await new Promise<void>((resolve) => client.on("disconnected", () => resolve()));
    expect(client.status).toBe("closed");
    expect(errors).toEqual(["unavailable"]);
  });
});
