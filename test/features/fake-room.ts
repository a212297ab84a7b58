import type { Envelope, Json, JsonObject } from "../../src/protocol/index.ts";
import { formatCursor, type Timer, YamabikoError } from "../../src/protocol/index.ts";
import type {
  Draft,
  Member,
  Namespace,
  RoomSnapshot,
  RoomView,
  StateDefinition,
  StoredEvent,
} from "../../src/session/namespace.ts";
import type { FakeClock } from "../../src/testing/fake-clock.ts";

export interface FakeRoomOptions {
  readonly clock: FakeClock;
  /** The most events one read gives, as a bound by bytes would have it. Default: as many as asked for. */
  readonly readEvents?: number;
  /** How many turns the next touch of the log takes. Default: one each. */
  readonly latencyTurns?: () => number;
}

/** What an append came to. */
export type Appended = { savedId: string; seq: number; epoch: string; duplicate: boolean };

interface Kept {
  readonly seq: number;
  readonly type: string;
  readonly sender: string | null;
  readonly messageId: string | null;
  readonly timestamp: number;
  readonly amends: number | null;
  data: string;
}

interface StateValue {
  readonly value: Json;
  readonly connectionId: string;
  readonly lease: Timer | null;
}

/** A room in memory: a log with amendments, state with leases, marks. Every touch of the log takes a turn or more. */
export class FakeRoom implements RoomView {
  readonly roomId: string;
  readonly epoch = "e1";
  /** What members were told besides events: state changes and signals. */
  readonly announced: { type: string; payload: JsonObject }[] = [];
  /** Reads of the log so far, and the events they gave. */
  readonly cost = { reads: 0, events: 0 };
  readonly #namespace: Namespace;
  readonly #options: FakeRoomOptions;
  readonly #onMark: (family: string, user: string) => void;
  readonly #state = new Map<string, Map<string, StateValue>>();
  /** What the log keeps: family → user → seq. */
  readonly #marks = new Map<string, Map<string, number>>();
  /** What this node knows of it. */
  readonly #knownMarks = new Map<string, Map<string, number>>();
  #log: Kept[] = [];
  #head = 0;
  #snapshot: RoomSnapshot | null = null;

  constructor(
    roomId: string,
    namespace: Namespace,
    options: FakeRoomOptions,
    onMark: (family: string, user: string) => void,
  ) {
    this.roomId = roomId;
    this.#namespace = namespace;
    this.#options = options;
    this.#onMark = onMark;
  }

  get head(): number {
    return this.#head;
  }

  /** The log as it is now. */
  get events(): readonly { seq: number; type: string; sender: string | null; payload: JsonObject }[] {
    return this.#log.map(({ seq, type, sender, data }) => ({ seq, type, sender, payload: JSON.parse(data) }));
  }

  /** What the server itself, or a back end, publishes. */
  publish(type: string, payload: JsonObject, sender: string | null = null): number {
    return this.#push(sender, null, type, payload);
  }

  /** Removes all events up to `seq`, as retention does. */
  trim(seq: number): void {
    this.#log = this.#log.filter((event) => event.seq > seq);
  }

  /** Removes one event and leaves a hole, as no log does: for a reader that must not count on it. */
  remove(seq: number): void {
    this.#log = this.#log.filter((event) => event.seq !== seq);
  }

  /** Appends a draft. Says so, and changes nothing, when the event to amend is no longer what it was. */
  async append(sender: string, messageId: string | null, draft: Draft): Promise<Appended | "amended meanwhile"> {
    await this.#latency();
    const first = messageId === null ? undefined : this.#first(sender, messageId);
    if (first !== undefined) return this.#appended(first.seq, true);
    const { expect, amend = [] } = draft.options;
    if (expect !== undefined && expect !== this.#head) throw new YamabikoError("conflict", "The room moved on.");
    const targets = amend.map(({ seq, expectData }) =>
      this.#log.find((event) => event.seq === seq && event.data === expectData),
    );
    if (targets.includes(undefined) || new Set(targets).size < targets.length) return "amended meanwhile";
    for (const [index, { data }] of amend.entries()) targets[index]!.data = JSON.stringify(data);
    const amends = amend[0]?.seq ?? null;
    return this.#appended(this.#push(sender, messageId, draft.type, draft.payload, amends), false);
  }

  async snapshot(): Promise<RoomSnapshot | null> {
    await this.#latency();
    return this.#snapshot;
  }

  async putSnapshot(seq: number, data: string): Promise<void> {
    await this.#latency();
    this.#snapshot = { epoch: this.epoch, seq, data };
  }

  /** The first result of a messageId; null when there is none. */
  async find(sender: string | null, messageId: string): Promise<Appended | null> {
    await this.#latency();
    const first = this.#first(sender, messageId);
    return first === undefined ? null : this.#appended(first.seq, true);
  }

  async amendments(seq: number, type: string, limit: number): Promise<readonly StoredEvent[]> {
    await this.#latency();
    const found = this.#log.filter((event) => event.amends === seq && event.type === type);
    return this.#page(found.toReversed().slice(0, limit));
  }

  async read(after: number, limit: number): Promise<readonly StoredEvent[]> {
    await this.#latency();
    return this.#page(this.#log.filter((event) => event.seq > after).slice(0, this.#bound(limit)));
  }

  async readBack(before: number, limit: number): Promise<readonly StoredEvent[]> {
    await this.#latency();
    return this.#page(this.#log.filter((event) => event.seq < before).slice(-this.#bound(limit)));
  }

  value(family: string, key: string): Json {
    if (this.#definition(family).kept === true) return this.#knownMarks.get(family)?.get(key) ?? null;
    return this.#state.get(family)?.get(key)?.value ?? null;
  }

  isMember(userId: string): boolean {
    return this.members().users.some((user) => user.userId === userId);
  }

  members(): { count: number; users: readonly Member[] } {
    return { count: 0, users: [] };
  }

  /** Where a user's mark stands in the log; null when it has none. */
  mark(family: string, user: string): number | null {
    return this.#marks.get(family)?.get(user) ?? null;
  }

  /** Moves a mark as another node would: the log has it, this node does not know. */
  moveMarkElsewhere(family: string, user: string, seq: number): void {
    ensure(this.#marks, family).set(user, seq);
    this.#onMark(family, user);
  }

  announce(type: string, payload: JsonObject): void {
    this.announced.push({ type, payload });
  }

  setState(family: string, key: string, value: Json, connectionId: string): boolean | Promise<boolean> {
    const definition = this.#definition(family);
    if (definition.kept === true) return this.#setMark(family, definition, key, value);
    const values = this.#state.get(family) ?? new Map<string, StateValue>();
    this.#state.set(family, values);
    const last = values.get(key);
    last?.lease?.cancel();
    const { leaseMs } = definition;
    const lease =
      leaseMs === undefined ? null : this.#options.clock.setTimer(() => void this.removeState(family, key), leaseMs);
    values.set(key, { value, connectionId, lease });
    if (last !== undefined && JSON.stringify(last.value) === JSON.stringify(value)) return false;
    this.announce(definition.event, definition.change(key, value, last?.value ?? null));
    return true;
  }

  removeState(family: string, key: string): boolean {
    const definition = this.#definition(family);
    if (definition.kept === true) throw new Error("a kept family only moves forward");
    const last = this.#state.get(family)?.get(key);
    if (last === undefined) return false;
    last.lease?.cancel();
    this.#state.get(family)?.delete(key);
    this.announce(definition.event, definition.change(key, null, last.value));
    return true;
  }

  /** Removes what a connection has set, when it leaves or drops. */
  forget(connectionId: string): void {
    for (const [family, values] of this.#state) {
      for (const [key, { connectionId: owner }] of values) if (owner === connectionId) this.removeState(family, key);
    }
  }

  async #setMark(family: string, definition: StateDefinition, user: string, value: Json): Promise<boolean> {
    await this.#latency();
    if (typeof value !== "number") throw new Error("a mark is a seq");
    const marks = ensure(this.#marks, family);
    const known = ensure(this.#knownMarks, family);
    const last = marks.get(user);
    if (last !== undefined && value <= last) {
      known.set(user, last);
      return false;
    }
    marks.set(user, value);
    known.set(user, value);
    this.#onMark(family, user);
    this.announce(definition.event, definition.change(user, value, last ?? null));
    return true;
  }

  #push(
    sender: string | null,
    messageId: string | null,
    type: string,
    payload: JsonObject,
    amends: number | null = null,
  ): number {
    this.#head += 1;
    const timestamp = this.#options.clock.now();
    this.#log.push({ seq: this.#head, type, sender, messageId, timestamp, amends, data: JSON.stringify(payload) });
    return this.#head;
  }

  #first(sender: string | null, messageId: string): Kept | undefined {
    return this.#log.find((event) => event.sender === sender && event.messageId === messageId);
  }

  #appended(seq: number, duplicate: boolean): Appended {
    return { savedId: formatCursor(this.epoch, seq), seq, epoch: this.epoch, duplicate };
  }

  #page(events: readonly Kept[]): readonly StoredEvent[] {
    this.cost.reads += 1;
    this.cost.events += events.length;
    return events.map((event) => {
      const { seq, type, sender, messageId, timestamp, data } = event;
      return {
        seq,
        type,
        sender,
        timestamp,
        data,
        toEnvelope: (): Envelope => ({
          type,
          payload: JSON.parse(data),
          timestamp: new Date(timestamp).toISOString(),
          roomId: this.roomId,
          seq,
          ...(messageId === null ? {} : { messageId }),
        }),
      };
    });
  }

  #bound(limit: number): number {
    return Math.min(limit, this.#options.readEvents ?? limit);
  }

  #definition(family: string): StateDefinition {
    const definition = this.#namespace.state[family];
    if (definition === undefined) throw new Error(`no state family "${family}"`);
    return definition;
  }

  async #latency(): Promise<void> {
    for (let left = this.#options.latencyTurns?.() ?? 1; left > 0; left -= 1) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

function ensure(map: Map<string, Map<string, number>>, family: string): Map<string, number> {
  const inner = map.get(family) ?? new Map<string, number>();
  map.set(family, inner);
  return inner;
}
