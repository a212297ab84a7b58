import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Envelope } from "../protocol/envelope.ts";
import { createFakeClock, type FakeClock } from "../testing/fake-clock.ts";
import { createFakeNetwork, type FakeNetwork, type FakeSocket } from "../testing/fake-socket.ts";
import { createClient } from "./index.ts";

const LATENCY_MS = 20;
const HOLD_MS = 10_000;
const ROOM = "chat:lobby";

/** What the model server does to its clients. */
interface Faults {
  /** Refuse as many of the next sends retryably. */
  refuse: number;
  /** Refuse as many of the next joins retryably. */
  refuseJoins: number;
  /** Lose as many of the next acks, of either kind. */
  loseAcks: number;
}

interface Peer {
  readonly socket: FakeSocket;
  gone: boolean;
  /** Neither hears nor speaks, and nobody is told: a half-open link. */
  deaf: boolean;
  joined: boolean;
  /** ACK-5: the refused messageIds, until one of them comes again. */
  blocked: { since: number; ids: Set<string> } | null;
}

/** One room that keeps the protocol, on a network with latency, with faults on demand. */
class ModelServer {
  readonly log: { n: number; messageId: string }[] = [];
  readonly faults: Faults = { refuse: 0, refuseJoins: 0, loseAcks: 0 };
  readonly #clock: FakeClock;
  readonly #peers = new Map<FakeSocket, Peer>();

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  network(): FakeNetwork {
    return createFakeNetwork({
      onSocket: (socket) => {
        const peer: Peer = { socket, gone: false, deaf: false, joined: false, blocked: null };
        this.#peers.set(socket, peer);
        this.#later(peer, () => {
          socket.open();
          this.#say(peer, {
            type: "welcome",
            payload: {
              connectionId: "c",
              user: { id: "u", name: "u" },
              guest: true,
              protocol: "v1",
              server: "model",
              heartbeatMs: 30_000,
              limits: { messageBytes: 65_536, rooms: 128 },
            },
          });
        });
      },
      onSend: (socket, envelope) => {
        const peer = this.#peers.get(socket)!;
        this.#later(peer, () => this.#handle(peer, envelope));
      },
    });
  }

  /** Ends every connection of a network; with it what is on the way in both directions. */
  drop(network: FakeNetwork, half: boolean): void {
    for (const socket of network.sockets) {
      const peer = this.#peers.get(socket);
      if (peer === undefined || peer.gone) continue;
      if (half) peer.deaf = true;
      else {
        peer.gone = true;
        socket.serverClose(1006);
      }
    }
  }

  #later(peer: Peer, run: () => void): void {
    this.#clock.setTimer(() => {
      if (!peer.gone && !peer.deaf && peer.socket.closedWith === null) run();
    }, LATENCY_MS);
  }

  #say(peer: Peer, envelope: Partial<Envelope>): void {
    this.#later(peer, () => peer.socket.receive(envelope));
  }

  #answer(peer: Peer, messageId: string, payload: object): void {
    if (this.faults.loseAcks > 0) this.faults.loseAcks--;
    else this.#say(peer, { type: "ack", messageId, payload });
  }

  #refuse(peer: Peer, messageId: string): void {
    peer.blocked ??= { since: this.#clock.monotonic(), ids: new Set() };
    peer.blocked.ids.add(messageId);
    this.#answer(peer, messageId, { success: false, error: { code: "unavailable", message: "", retryable: true } });
  }

  #handle(peer: Peer, { type, payload, messageId = "" }: Envelope): void {
    if (type === "ping") return this.#say(peer, { type: "pong", payload });
    if (type !== "join_room" && type !== "send_message") return;
    if (peer.blocked !== null && this.#clock.monotonic() - peer.blocked.since > HOLD_MS) peer.blocked = null;
    if (peer.blocked !== null && !peer.blocked.ids.has(messageId)) return this.#refuse(peer, messageId);
    peer.blocked = null;
    if (type === "join_room") {
      if (this.faults.refuseJoins > 0) {
        this.faults.refuseJoins--;
        peer.blocked = { since: this.#clock.monotonic(), ids: new Set([messageId]) };
        // The answer to a join is never lost on a live link, so the fault does not touch it.
        const error = { code: "unavailable", message: "", retryable: true };
        return this.#say(peer, { type: "ack", messageId, payload: { success: false, error } });
      }
      peer.joined = true;
      const { after = 0 } = payload as { after?: string | number };
      const cursor = Number(String(after).split(":").at(-1));
      const head = this.log.length;
      this.#say(peer, {
        type: "joined_room",
        payload: { roomId: ROOM, epoch: "E", head, cursor: `E:${cursor}`, recovered: true },
      });
      for (let seq = cursor + 1; seq <= head; seq++) this.#event(peer, seq);
      return this.#say(peer, { type: "ack", messageId, payload: { success: true } });
    }
    if (!peer.joined) {
      const error = { code: "not_joined", message: "", retryable: false };
      return this.#answer(peer, messageId, { success: false, error });
    }
    if (this.faults.refuse > 0) {
      this.faults.refuse--;
      return this.#refuse(peer, messageId);
    }
    const known = this.log.findIndex((event) => event.messageId === messageId);
    if (known !== -1) return this.#answer(peer, messageId, { success: true, seq: known + 1, duplicate: true });
    const seq = this.log.push({ n: (payload as { n: number }).n, messageId });
    this.#answer(peer, messageId, { success: true, seq, duplicate: false });
    for (const other of this.#peers.values()) if (other.joined) this.#event(other, seq);
  }

  #event(peer: Peer, seq: number): void {
    const { n, messageId } = this.log[seq - 1]!;
    this.#say(peer, { type: "new_message", payload: { n }, roomId: ROOM, seq, messageId });
  }
}

type Step =
  | { do: "send"; count: number }
  | { do: "wait"; ms: number }
  | { do: "drop"; half: boolean; who: "writer" | "reader" }
  | { do: keyof Faults; count: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("send" as const), count: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 0, max: 200 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 1_000, max: 20_000 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("drop" as const),
      half: fc.boolean(),
      who: fc.constantFrom("writer" as const, "reader" as const),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom("refuse" as const, "refuseJoins" as const, "loseAcks" as const),
      count: fc.integer({ min: 1, max: 4 }),
    }),
  },
);

/** Plays the steps, then lets everything heal, and gives what the log, the acks and the reader saw. */
async function play(steps: readonly Step[], seed: number) {
  const clock = createFakeClock();
  const server = new ModelServer(clock);
  let state = seed;
  const random = (): number => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
  const networks = { writer: server.network(), reader: server.network() };
  const errors: unknown[] = [];
  const connect = (network: FakeNetwork) => {
    const client = createClient("ws://model.test", { WebSocket: network.WebSocket, clock, random });
    client.on("error", (error) => void errors.push(error));
    return client;
  };
  const writer = connect(networks.writer);
  const reader = connect(networks.reader);
  const room = writer.join("lobby", { after: 0 });
  const read: number[] = [];
  reader
    .join("lobby", { after: 0 })
    .on("new_message", (payload: unknown) => void read.push((payload as { n: number }).n));

  const acked: number[] = [];
  let sent = 0;
  for (const step of steps) {
    if (step.do === "send") {
      for (let count = 0; count < step.count; count++) {
        const n = sent++;
        void room.send("send_message", { n }).ack.then(
          () => acked.push(n),
          (error: unknown) => errors.push(error),
        );
      }
    } else if (step.do === "wait") await clock.advance(step.ms);
    else if (step.do === "drop") server.drop(networks[step.who], step.half);
    else server.faults[step.do] = step.count;
  }
  Object.assign(server.faults, { refuse: 0, refuseJoins: 0, loseAcks: 0 });
  await clock.advance(300_000);
  const result = {
    log: server.log.map(({ n }) => n),
    acked: acked.sort((a, b) => a - b),
    read,
    errors,
    left: room.outbox,
  };
  writer.close();
  reader.close();
  return { ...result, expected: Array.from({ length: sent }, (_, n) => n) };
}

describe("a server that drops, refuses and loses acks", () => {
  it("ACK-3, ACK-4, ACK-5, RES-1: the log has each message once and in order, each is acked, and a reader applies each once", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), fc.nat(), async (steps, seed) => {
        const { log, acked, read, errors, left, expected } = await play(steps, seed);
        expect(log).toEqual(expected);
        expect(acked).toEqual(expected);
        expect(read).toEqual(expected);
        expect(errors).toEqual([]);
        expect(left).toEqual([]);
      }),
      { numRuns: Number(process.env.FC_RUNS ?? 150) },
    );
  }, 120_000);
});
