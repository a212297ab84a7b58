import { io, type Socket } from "socket.io-client";
import { hashOf } from "../../../src/testing/history.ts";
import type { HistorySink } from "../recorded-client.ts";
import type { Participant, ParticipantPlan } from "./participant.ts";
import type { ToldChat } from "./socket-io-server.ts";

const JOIN_MS = 1_000;
const JOIN_AGAIN_MS = 50;

/** A client of Socket.IO as its documentation has it: it reconnects and joins again, and sends until it is answered. */
export class SocketIoParticipant implements Participant {
  readonly name: string;
  acked = 0;
  waiting = 0;
  readonly errors: readonly string[] = [];
  readonly #history: HistorySink;
  readonly #socket: Socket;
  /** By room, what it was handed last. */
  readonly #seqs = new Map<string, number>();
  readonly #rooms = new Set<string>();

  constructor(history: HistorySink, { name, wsUrl }: ParticipantPlan) {
    this.name = name;
    this.#history = history;
    const { host } = new URL(wsUrl);
    this.#socket = io(`http://${host}`, {
      path: "/ws/",
      transports: ["websocket"],
      auth: { user: name },
      reconnectionDelay: 250,
      reconnectionDelayMax: 2_000,
      // At least once, in order, as the documentation says.
      retries: 1_000_000,
      ackTimeout: 3_000,
    });
    this.#socket.on("connect", () => {
      for (const roomId of this.#rooms) this.#ask(roomId);
    });
    this.#socket.on("told", (told: ToldChat) => this.#told(told));
  }

  join(roomId: string, after?: string): void {
    this.#rooms.add(roomId);
    if (after !== undefined) this.#seqs.set(roomId, Number(after.split(":")[1]));
    if (this.#socket.connected) this.#ask(roomId);
  }

  send(roomId: string, content: string, messageId: string): void {
    const { name } = this;
    this.#history.add({ kind: "sent", client: name, user: name, roomId, messageId, hash: hashOf(content) });
    this.#history.flush?.();
    this.sendAgain(roomId, content, messageId);
  }

  sendAgain(roomId: string, content: string, messageId: string): void {
    const { name: user } = this;
    this.waiting++;
    type Saved = { epoch: string; seq: number; duplicate: boolean };
    this.#socket.emit("send", { roomId, content, messageId }, (error: Error | null, saved: Saved) => {
      if (error !== null) return;
      this.waiting--;
      this.acked++;
      this.#history.add({ kind: "acked", user, roomId, messageId, ...saved });
    });
  }

  seqOf(roomId: string): number {
    return this.#seqs.get(roomId) ?? -1;
  }

  close(): void {
    this.#socket.close();
  }

  /** Joins the room on this connection, until that is answered. */
  #ask(roomId: string): void {
    const { id } = this.#socket;
    // Past the queue of what is sent: a join is for this connection alone.
    this.#socket.volatile.timeout(JOIN_MS).emit("join", roomId, (error: Error | null, head: number | null) => {
      if (error !== null || head === null) {
        if (this.#socket.id === id) setTimeout(() => this.#ask(roomId), JOIN_AGAIN_MS);
        return;
      }
      if (this.#seqs.has(roomId)) return;
      this.#seqs.set(roomId, head);
      const joined = { kind: "joined", reader: this.name, roomId, after: null, epoch: "e1", seq: head } as const;
      this.#history.add({ ...joined, recovered: true });
    });
  }

  #told({ roomId, userId: user, messageId, content, epoch, seq }: ToldChat): void {
    const before = this.#seqs.get(roomId);
    // It came between joining and the answer: not owed yet.
    if (before === undefined) return;
    this.#seqs.set(roomId, Math.max(before, seq));
    const event = { user, messageId, hash: hashOf(content) };
    this.#history.add({ kind: "delivered", reader: this.name, roomId, epoch, seq, ...event });
  }
}
