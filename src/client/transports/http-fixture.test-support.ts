import type { Envelope } from "../../protocol/envelope.ts";
import { createFakeClock, type FakeClock } from "../../testing/fake-clock.ts";
import { createFakeNetwork, type FakeNetwork } from "../../testing/fake-socket.ts";
import { type Client, type ClientOptions, createClient } from "../index.ts";
import { createFakeFetch, type FakeFetch, type FakeRequest } from "./fake-fetch.test-support.ts";

/** A client on a fake network, `fetch` and clock. */
export interface HttpFixture {
  readonly clock: FakeClock;
  readonly network: FakeNetwork;
  readonly net: FakeFetch;
  readonly client: Client;
  /** Every local event of the client, in order, and its payload. */
  readonly told: [name: string, payload: unknown][];
  /** Types of all envelopes the client handed on. */
  readonly heard: string[];
  /** Lets joins and restarts that are put off for a moment happen. */
  settle(): Promise<void>;
  /** Answers the newest stream with its beginning and `welcome`. */
  welcome(more?: object): Promise<FakeRequest>;
}

/** `welcome` as the server says it. */
export function welcomeOf(more: object = {}): Envelope {
  return {
    type: "welcome",
    payload: {
      connectionId: "c1",
      user: { id: "u1", name: "Ann" },
      guest: false,
      protocol: "v1",
      server: "test",
      heartbeatMs: 30_000,
      limits: { messageBytes: 65_536, rooms: 128 },
      ...more,
    },
    timestamp: "2024-01-01T00:00:00.000Z",
  };
}

/** What the server says to a `join_room`. */
export function joinedOf(join: Envelope, cursor: string, more: object = {}): Envelope[] {
  const [epoch, seq] = cursor.split(":");
  const { roomId } = join.payload as { roomId: string };
  const payload = { roomId, epoch, head: Number(seq), cursor, recovered: true, state: {}, ...more };
  return [{ type: "joined_room", payload }, ackOf(join.messageId)];
}

export function ackOf(messageId: string | undefined, more: object = {}): Envelope {
  return { type: "ack", messageId: messageId!, payload: { success: true, ...more } };
}

export function refusalOf(messageId: string | undefined, error: object): Envelope {
  return { type: "ack", messageId: messageId!, payload: { success: false, error: { message: "no", ...error } } };
}

export function eventOf(roomId: string, seq: number): Envelope {
  return { type: "new_message", payload: { n: seq }, roomId, seq, timestamp: "2024-01-01T00:00:00.000Z" };
}

/** The body of a read. */
export function readOf(request: FakeRequest): { cursor: string; messages: Envelope[]; welcome: boolean } {
  return request.body as { cursor: string; messages: Envelope[]; welcome: boolean };
}

/** The envelopes of a POST. */
export function sentOf(request: FakeRequest): Envelope[] {
  return request.body as Envelope[];
}

/** What they are, without pings: the type, and `payload.n` of messages. */
export function namesOf(envelopes: readonly Envelope[]): string[] {
  return envelopes
    .filter(({ type }) => type !== "ping")
    .map(({ type, payload }) => {
      const n = (payload as { n?: unknown } | null)?.n;
      return n === undefined ? type : `${type} ${String(n)}`;
    });
}

/** Answers a POST: every message is acked, every ping has its pong. */
export function ackAll(request: FakeRequest): void {
  const sent = sentOf(request);
  const pongs = sent.filter(({ type }) => type === "ping").map(({ payload }) => ({ type: "pong", payload }));
  request.answer([...sent.map(({ messageId }, index) => ackOf(messageId ?? `given-${index}`)), ...pongs]);
}

export async function createHttpFixture(
  options: ClientOptions = {},
  onRequest?: (request: FakeRequest) => void,
): Promise<HttpFixture> {
  const clock = createFakeClock();
  const network = createFakeNetwork();
  const net = createFakeFetch(onRequest);
  const client = createClient("ws://server.test/ws", {
    WebSocket: network.WebSocket,
    fetch: net.fetch,
    clock,
    random: () => 1,
    ...options,
  });
  const told: [string, unknown][] = [];
  for (const name of ["status", "connected", "disconnected", "reconnecting", "error", "transport"] as const) {
    client.on(name, (payload: unknown) => void told.push([name, payload]));
  }
  const heard: string[] = [];
  client.on("*", (_payload, envelope) => void heard.push((envelope as Envelope).type));
  await clock.flush();
  const fixture: HttpFixture = {
    clock,
    network,
    net,
    client,
    told,
    heard,
    settle: () => clock.advance(10),
    async welcome(more) {
      await fixture.settle();
      const stream = net.open("events").at(-1)!;
      stream.stream();
      stream.say(welcomeOf(more));
      await clock.flush();
      return stream;
    },
  };
  return fixture;
}
