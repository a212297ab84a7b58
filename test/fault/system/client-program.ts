/**
 * A process of clients: they join, send at a rate, and write down what happens. It may be killed at any moment; its next
 * life reads what it wrote and goes on from there.
 */
import { between, pick, type Random, seededRandom } from "../random.ts";
import { contentOf } from "./content.ts";
import { type FormerLife, readFormerLife } from "./former-life.ts";
import { HistoryFile } from "./history-file.ts";
import type { MakeParticipant, Participant, ParticipantKind, ParticipantPlan } from "./participant.ts";
import { YamabikoParticipant } from "./yamabiko-participant.ts";

/** What a life is given. */
export interface ClientPlan {
  readonly kind: ParticipantKind;
  readonly historyPath: string;
  /** What the last life wrote; null for the first. */
  readonly formerPath: string | null;
  /** Which life this is, from 1. */
  readonly life: number;
  readonly seed: number;
  readonly participants: readonly ParticipantPlan[];
  /** Messages per second of all of them together. */
  readonly ratePerSecond: number;
  /** As many messages of one participant wait for their answers at once. */
  readonly inFlight: number;
  /** What part of the participants starts afresh after a death, instead of going on. */
  readonly freshShare: number;
  /** How long between two reads of where a room stands, ms; 0 for none. */
  readonly askEveryMs: number;
}

/** What the process is told. */
export type ClientCommand =
  | { readonly command: "start"; readonly plan: ClientPlan }
  | { readonly command: "quiet" }
  | { readonly command: "reach"; readonly heads: readonly (readonly [roomId: string, head: number])[] }
  | { readonly command: "close" };

/** What the process says. */
export interface ClientReport {
  readonly acked: number;
  readonly sent: number;
  readonly waiting: number;
  /** Whether everybody is where `reach` said. */
  readonly hasReached: boolean;
  /** Who is not, in words. */
  readonly behind: readonly string[];
  readonly errors: readonly string[];
  readonly isClosed: boolean;
}

const TURN_MS = 20;
const REPORT_MS = 100;
const WORDS_KEPT = 10;

const MAKERS: Readonly<Record<ParticipantKind, () => Promise<MakeParticipant>>> = {
  yamabiko: async () => (history, plan) => new YamabikoParticipant(history, plan),
  // Only here, so that whoever does not need it need not have it installed.
  "socket.io": async () => {
    const { SocketIoParticipant } = await import("./socket-io-participant.ts");
    return (history, plan) => new SocketIoParticipant(history, plan);
  },
};

class ClientProgram {
  readonly #plan: ClientPlan;
  readonly #history: HistoryFile;
  readonly #random: Random;
  readonly #participants: readonly Participant[];
  readonly #rooms: ReadonlyMap<Participant, readonly string[]>;
  #sent = 0;
  #credit = 0;
  #isSending = true;
  #heads: readonly (readonly [string, number])[] | null = null;
  #isAsking = false;
  readonly #timers: NodeJS.Timeout[] = [];

  constructor(plan: ClientPlan, make: MakeParticipant) {
    this.#plan = plan;
    this.#random = seededRandom(plan.seed + plan.life * 1_000);
    const former = readFormerLife(plan.formerPath);
    this.#history = new HistoryFile(plan.historyPath);
    this.#history.write({ kind: "former", ...former });
    this.#history.flush();
    this.#participants = plan.participants.map((participant) => this.#begin(make, participant, former));
    this.#rooms = new Map(this.#participants.map((client, index) => [client, plan.participants[index]!.rooms]));
    this.#timers.push(setInterval(() => this.#sendSome(), TURN_MS));
    this.#timers.push(setInterval(() => process.send?.(this.report()), REPORT_MS));
    if (plan.askEveryMs > 0) this.#timers.push(setInterval(() => void this.#ask(), plan.askEveryMs));
  }

  quiet(): void {
    this.#isSending = false;
  }

  reach(heads: readonly (readonly [string, number])[]): void {
    this.#heads = heads;
  }

  close(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#history.flush();
    // What happens from here on is of closing, and nobody's business.
    const report = this.report();
    process.send?.({ ...report, isClosed: true }, () => process.exit(0));
  }

  report(): ClientReport {
    const behind: string[] = [];
    for (const participant of this.#participants) {
      for (const [roomId, head] of this.#heads ?? []) {
        if (!this.#rooms.get(participant)!.includes(roomId) || participant.seqOf(roomId) >= head) continue;
        behind.push(`${participant.name} in ${roomId} at ${participant.seqOf(roomId)} of ${head}`);
      }
    }
    return {
      acked: this.#participants.reduce((sum, { acked }) => sum + acked, 0),
      sent: this.#sent,
      waiting: this.#participants.reduce((sum, { waiting }) => sum + waiting, 0),
      hasReached: this.#heads !== null && behind.length === 0,
      behind: behind.slice(0, WORDS_KEPT),
      errors: this.#participants.flatMap(({ name, errors }) => errors.map((error) => `${name}: ${error}`)),
      isClosed: false,
    };
  }

  /** Goes on where the former life ended, or declares that it does not. */
  #begin(make: MakeParticipant, plan: ParticipantPlan, former: FormerLife): Participant {
    const { name } = plan;
    const isFresh = this.#plan.formerPath !== null && this.#random() < this.#plan.freshShare;
    const cursors = former.cursors.filter(({ client }) => client === name);
    const pending = former.pending.filter(({ client }) => client === name);
    if (isFresh) {
      for (const { roomId } of cursors) this.#history.add({ kind: "left", reader: name, roomId });
      for (const { roomId, messageId } of pending)
        this.#history.add({ kind: "unknown", user: name, roomId, messageId });
      this.#history.flush();
    }
    const participant = make(this.#history, plan);
    for (const roomId of plan.rooms) {
      const kept = cursors.find((cursor) => cursor.roomId === roomId)?.cursor;
      participant.join(roomId, isFresh ? undefined : kept);
    }
    if (!isFresh) {
      for (const { roomId, messageId } of pending) participant.sendAgain(roomId, contentOf(messageId), messageId);
    }
    return participant;
  }

  #sendSome(): void {
    if (!this.#isSending) return;
    const { ratePerSecond, inFlight, life } = this.#plan;
    // What was not sent because everything waits is not made up for.
    this.#credit = Math.min(this.#credit + (ratePerSecond * TURN_MS) / 1000, ratePerSecond / 5 + 1);
    const free = this.#participants.filter(({ waiting }) => waiting < inFlight);
    while (this.#credit >= 1 && free.length > 0) {
      this.#credit--;
      const index = between(this.#random, 0, free.length - 1);
      const participant = free[index]!;
      const messageId = `${participant.name}.${life}.${++this.#sent}`;
      participant.send(pick(this.#random, this.#rooms.get(participant)!), contentOf(messageId), messageId);
      if (participant.waiting >= inFlight) free.splice(index, 1);
    }
  }

  /** Reads where a room stands, through whichever node answers. */
  async #ask(): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    const { name: reader, rooms, wsUrl, token } = pick(this.#random, this.#plan.participants);
    const roomId = pick(this.#random, rooms);
    const url = `${wsUrl.replace("ws:", "http:").replace(/\/ws$/, "")}/api/rooms/${encodeURIComponent(roomId)}/history?limit=1`;
    this.#history.add({ kind: "asked", reader, roomId });
    try {
      const headers = { authorization: `Bearer ${token}` };
      const response = await fetch(url, { headers, signal: AbortSignal.timeout(5_000) });
      if (response.ok) {
        const { epoch, head } = (await response.json()) as { epoch: string; head: number };
        this.#history.add({ kind: "told", reader, roomId, epoch, head });
      }
    } catch {
      // A fault; it was not told anything.
    } finally {
      this.#isAsking = false;
    }
  }
}

let program: ClientProgram | null = null;

process.on("message", async (message: ClientCommand) => {
  if (message.command === "start") program = new ClientProgram(message.plan, await MAKERS[message.plan.kind]());
  else if (message.command === "quiet") program?.quiet();
  else if (message.command === "reach") program?.reach(message.heads);
  else program?.close();
});
// Without whoever started it, it has nothing to do.
process.on("disconnect", () => process.exit(0));
