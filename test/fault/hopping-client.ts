import type { ClientCodec } from "../../src/client/codec.ts";
import type { OutboxStorage, StoredMessage, TransportName } from "../../src/client/node.ts";
import { type History, RecordedClient } from "./recorded-client.ts";

/** The ways a client of the SDK can come. */
export const TRANSPORTS: readonly TransportName[] = ["websocket", "sse", "long-polling", "polling"];

export interface HoppingClientOptions {
  readonly name: string;
  readonly url: string;
  readonly token: string;
  readonly codec: ClientCodec;
  readonly roomIds: readonly string[];
  onAcked(): void;
  /** Called when it may go on: after each ack, and after a hop. */
  onReady(client: HoppingClient): void;
}

/** What a page keeps while it is loaded anew. */
class PageMemory implements OutboxStorage {
  #messages: readonly StoredMessage[] = [];

  load(): readonly StoredMessage[] {
    return this.#messages;
  }

  save(messages: readonly StoredMessage[]): void {
    // As a storage of text would keep it.
    this.#messages = JSON.parse(JSON.stringify(messages)) as StoredMessage[];
  }
}

/**
 * One application that comes again and again, each time over another transport: what it has read up to and what is not
 * acknowledged is all that stays. In the history it is one client and one reader.
 */
export class HoppingClient {
  readonly name: string;
  /** Messages sent, and those acknowledged, over all its lives. */
  sent = 0;
  acked = 0;
  hops = 0;
  /** The transports over which it was welcomed. */
  readonly welcomed = new Set<TransportName>();
  /** What its lives reported as wrong. */
  readonly errors: string[] = [];
  readonly #options: HoppingClientOptions;
  readonly #history: History;
  readonly #memory = new PageMemory();
  /** By room, what it has read up to. */
  readonly #cursors = new Map<string, string>();
  #life: RecordedClient;
  /** Why its last connection ended. */
  #lastEnd = "";
  #isMoving = false;
  #isClosed = false;

  /** Without `transports` it chooses by itself. */
  constructor(history: History, transports: readonly TransportName[] | undefined, options: HoppingClientOptions) {
    this.name = options.name;
    this.#options = options;
    this.#history = history;
    this.#life = this.#live(transports);
    for (const roomId of options.roomIds) this.#life.join(roomId);
  }

  /** Whether it takes a message now. */
  get isReady(): boolean {
    return !this.#isMoving && !this.#isClosed;
  }

  /** Its first joins. */
  async joined(): Promise<void> {
    await Promise.all(Array.from(this.#life.rooms.values(), (room) => room.joined));
  }

  send(roomId: string, content: string): void {
    this.sent++;
    this.#count(this.#life.send(roomId, content).ack);
  }

  /** Goes away as a closed page does, and comes back over other transports with what it kept. */
  async hop(transports: readonly TransportName[] | undefined): Promise<void> {
    if (!this.isReady) return;
    this.#isMoving = true;
    this.hops++;
    // A room that was not joined yet has no cursor; the one from before still counts.
    for (const { roomId, cursor } of this.#life.rooms.values()) if (cursor !== null) this.#cursors.set(roomId, cursor);
    this.#life.close();
    const life = this.#live(transports);
    this.#life = life;
    // The outbox is read in a few turns of microtasks.
    await new Promise((resolve) => setImmediate(resolve));
    for (const message of life.client.outbox) {
      life.watch(message.roomId ?? "", message);
      this.#count(message.ack);
    }
    if (this.#isClosed) return life.close();
    for (const roomId of this.#options.roomIds) life.join(roomId, this.#cursors.get(roomId));
    this.#isMoving = false;
    this.#options.onReady(this);
  }

  /** Waits until everything up to `seq` has been handed to the application. */
  reached(roomId: string, seq: number, timeoutMs: number): Promise<void> {
    return this.#life.reached(roomId, seq, timeoutMs);
  }

  /** Where it stands, for somebody who wonders why nothing goes on. */
  describe(): string {
    const { client, rooms } = this.#life;
    const places = Array.from(rooms.values(), ({ roomId, status, cursor }) => `${roomId} ${status} ${cursor}`);
    const waiting = client.outbox.map(({ roomId, state, messageId }) => `${roomId} ${state} ${messageId}`);
    return `${this.name}: ${this.acked} of ${this.sent}, ${this.hops} hops, ${this.#isMoving ? "moving" : "here"}, ${client.transport} ${client.status}, attempts ${client.attempts}, last ended with ${this.#lastEnd || "nothing"}; ${places.join(", ")}; outbox ${client.outbox.length}: ${waiting.slice(0, 3).join(", ")}`;
  }

  close(): void {
    this.#isClosed = true;
    this.#life.close();
  }

  #live(transports: readonly TransportName[] | undefined): RecordedClient {
    const { name, url, token, codec } = this.#options;
    const life = new RecordedClient(this.#history, name, url, {
      token,
      codec,
      storage: this.#memory,
      transports,
      pollIntervalMs: 30,
      probeIntervalMs: 200,
      ackTimeoutMs: 2_000,
    });
    life.client.on("connected", () => this.welcomed.add(life.client.transport));
    life.client.on("disconnected", ({ code, reason }) => {
      this.#lastEnd = `${code} ${reason}`;
    });
    life.client.on("error", ({ code, message }) =>
      this.errors.push(`${name}, ${life.client.transport}: ${code}: ${message}`),
    );
    return life;
  }

  #count(ack: Promise<unknown>): void {
    ack.then(
      () => {
        this.acked++;
        this.#options.onAcked();
        this.#options.onReady(this);
      },
      () => {},
    );
  }
}
