import type { Envelope } from "../protocol/envelope.ts";
import { createFakeClock, type FakeClock } from "../testing/fake-clock.ts";
import { createFakeNetwork, type FakeNetwork } from "../testing/fake-socket.ts";
import { type Client, type ClientOptions, createClient } from "./index.ts";

/** A client on a fake network and clock, and shorthands for what the server says. */
export interface Fixture {
  readonly clock: FakeClock;
  readonly network: FakeNetwork;
  readonly client: Client;
  /** Every local event of the client, in order. */
  readonly told: [name: string, payload: unknown][];
  /** Opens the newest socket. */
  open(): Promise<void>;
  /** Opens the newest socket and says `welcome`; takes what the client sent until then. */
  welcome(more?: Record<string, unknown>): Promise<Envelope[]>;
  /** Answers the oldest join of the room. */
  joined(roomId: string, cursor: string, more?: Record<string, unknown>): void;
  event(roomId: string, seq: number, payload?: unknown): void;
  ack(messageId: string | undefined, more?: Record<string, unknown>): void;
  refuse(messageId: string | undefined, error: Record<string, unknown>): void;
  /** Takes what the client sent, without pings. */
  take(): Envelope[];
}

export async function createFixture(options: ClientOptions = {}): Promise<Fixture> {
  const clock = createFakeClock();
  /** The joins that are not answered. */
  let joins: Envelope[] = [];
  const network = createFakeNetwork({
    onSocket: () => {
      joins = [];
    },
    onSend: (_socket, envelope) => {
      if (envelope.type === "join_room") joins.push(envelope);
    },
  });
  const client = createClient("ws://server.test/ws", {
    WebSocket: network.WebSocket,
    clock,
    random: () => 1,
    transports: ["websocket"],
    ...options,
  });
  const told: [string, unknown][] = [];
  for (const name of ["status", "connected", "disconnected", "reconnecting", "error"] as const) {
    client.on(name, (payload: unknown) => void told.push([name, payload]));
  }
  await clock.flush();
  const fixture: Fixture = {
    clock,
    network,
    client,
    told,
    async open() {
      network.socket.open();
      await clock.flush();
    },
    async welcome(more = {}) {
      await fixture.open();
      network.socket.receive({
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
        timestamp: new Date(clock.now()).toISOString(),
      });
      network.socket.receive({ type: "pong", payload: {} });
      await clock.flush();
      return fixture.take();
    },
    joined(roomId, cursor, more = {}) {
      const [epoch, seq] = cursor.split(":");
      network.socket.receive({
        type: "joined_room",
        payload: { roomId, epoch, head: Number(seq), cursor, recovered: true, state: {}, ...more },
      });
      const index = joins.findIndex(({ payload }) => (payload as { roomId: string }).roomId === roomId);
      if (index !== -1) fixture.ack(joins.splice(index, 1)[0]?.messageId, { roomId });
    },
    event(roomId, seq, payload = { n: seq }) {
      network.socket.receive({ type: "new_message", payload, roomId, seq, timestamp: "2024-01-01T00:00:00.000Z" });
    },
    ack(messageId, more = {}) {
      network.socket.receive({ type: "ack", messageId: messageId ?? "?", payload: { success: true, ...more } });
    },
    refuse(messageId, error) {
      joins = joins.filter((join) => join.messageId !== messageId);
      network.socket.receive({
        type: "ack",
        messageId: messageId ?? "?",
        payload: { success: false, error: { message: "no", retryable: false, ...error } },
      });
    },
    take: () => network.socket.take().filter((envelope) => envelope.type !== "ping"),
  };
  return fixture;
}

/** `type` and, of messages, `payload.n`, for short expectations. */
export function brief(envelopes: readonly Envelope[]): string[] {
  return envelopes.map((envelope) => {
    const n = (envelope.payload as { n?: unknown } | null)?.n;
    return n === undefined ? envelope.type : `${envelope.type} ${String(n)}`;
  });
}
