import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AppendOptions, Log, Retention } from "../log/log.ts";
import type { LogSubject } from "./log-subject.ts";

/** What an append asks for, with positions given from the head so that they are often near what is there. */
interface AppendStep {
  readonly sender: string | null;
  readonly messageId: string | null;
  readonly data: string;
  /** The head that is expected, counted from the real one. */
  readonly expect: number | undefined;
  readonly type: string;
  /** Which events to amend, counted back from the head, and whether their payloads are known. */
  readonly amend: readonly { readonly back: number; readonly known: boolean }[] | undefined;
}

type Step =
  | { readonly kind: "append"; readonly appends: readonly AppendStep[] }
  | {
      readonly kind: "read";
      readonly at: number;
      readonly limit: number;
      readonly maxBytes: number;
      readonly back: boolean;
    }
  | { readonly kind: "find"; readonly sender: string | null; readonly messageId: string }
  | { readonly kind: "amendments"; readonly back: number; readonly type: string; readonly limit: number }
  | { readonly kind: "trim"; readonly policy: Retention }
  | { readonly kind: "mark"; readonly user: string; readonly seq: number }
  | { readonly kind: "snapshot"; readonly back: number; readonly atMost: number }
  | { readonly kind: "reopen" };

interface ModelEvent {
  seq: number;
  type: string;
  sender: string | null;
  messageId: string | null;
  data: string;
  amends: number | null;
}

/** A room as simple as it can be written down. */
class Model {
  head = 0;
  kept: ModelEvent[] = [];
  readonly remembered = new Map<string, number>();
  readonly marks = new Map<string, number>();
  snapshots: number[] = [];

  get first(): number {
    return this.kept[0]?.seq ?? this.head + 1;
  }

  append(step: AppendStep, options: AppendOptions): number | "conflict" {
    const key = JSON.stringify([step.sender, step.messageId]);
    const before = step.messageId === null ? undefined : this.remembered.get(key);
    if (before !== undefined) return before;
    if (options.expect !== undefined && options.expect !== this.head) return "conflict";
    const { amend = [] } = options;
    const isExpected = amend.every(({ seq, expectData }) => this.event(seq)?.data === expectData);
    if (!isExpected || new Set(amend.map(({ seq }) => seq)).size < amend.length) return "conflict";
    for (const { seq, data } of amend) this.event(seq)!.data = data;
    const seq = ++this.head;
    if (step.messageId !== null) this.remembered.set(key, seq);
    this.kept.push({
      seq,
      type: step.type,
      sender: step.sender,
      messageId: step.messageId,
      data: step.data,
      amends: amend[0]?.seq ?? null,
    });
    return seq;
  }

  event(seq: number): ModelEvent | undefined {
    return this.kept.find((event) => event.seq === seq);
  }

  find(sender: string | null, messageId: string): number | undefined {
    return this.remembered.get(JSON.stringify([sender, messageId]));
  }

  amendments(seq: number, type: string, limit: number): ModelEvent[] {
    const found = this.kept.filter((event) => event.amends === seq && event.type === type);
    return found.reverse().slice(0, limit);
  }

  trim(policy: Retention): number {
    const before = this.kept.length;
    const mayGo = (): boolean => this.kept.length > 0 && this.kept[0]!.seq <= (policy.upTo ?? Infinity);
    while (mayGo() && this.kept.length > (policy.maxEvents ?? Infinity)) this.kept.shift();
    while (mayGo() && this.kept.length > 1 && this.#bytes() > (policy.maxBytes ?? Infinity)) this.kept.shift();
    return before - this.kept.length;
  }

  read(at: number, limit: number, maxBytes: number, back: boolean): ModelEvent[] {
    const candidates = back
      ? this.kept.filter((event) => event.seq < at).reverse()
      : this.kept.filter((event) => event.seq > at);
    const page: ModelEvent[] = [];
    let bytes = 0;
    for (const event of candidates.slice(0, limit)) {
      bytes += Buffer.byteLength(event.data);
      if (page.length > 0 && bytes > maxBytes) break;
      page.push(event);
    }
    return back ? page.reverse() : page;
  }

  #bytes(): number {
    return this.kept.reduce((sum, event) => sum + Buffer.byteLength(event.data), 0);
  }
}

const user = fc.constantFrom("ann", "bob", null);
const messageId = fc.constantFrom("1", "2", "3", "4", "5", "6");
const eventType = fc.constantFrom("said", "edited");
const mostly = fc.constantFrom(true, true, true, false);
const append: fc.Arbitrary<AppendStep> = fc.record({
  sender: user,
  messageId: fc.option(messageId, { nil: null }),
  data: fc.oneof(fc.string({ maxLength: 20 }), fc.constant("ü".repeat(50))).map((text) => JSON.stringify(text)),
  expect: fc.option(fc.integer({ min: -1, max: 2 }), { nil: undefined, freq: 4 }),
  type: eventType,
  amend: fc.option(
    fc.array(fc.record({ back: fc.integer({ min: 0, max: 5 }), known: mostly }), { minLength: 0, maxLength: 3 }),
    { nil: undefined, freq: 3 },
  ),
});
const bytes = fc.constantFrom(0, 10, 50, 100, 300, 100_000);

function steps(durable: boolean): fc.Arbitrary<Step[]> {
  const kinds: fc.WeightedArbitrary<Step>[] = [
    {
      weight: 6,
      arbitrary: fc.record({ kind: fc.constant("append"), appends: fc.array(append, { minLength: 1, maxLength: 8 }) }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant("read"),
        at: fc.oneof(fc.integer({ min: 0, max: 60 }), fc.constant(Infinity)),
        limit: fc.integer({ min: 0, max: 12 }),
        maxBytes: bytes,
        back: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("find"), sender: user, messageId }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant("amendments"),
        back: fc.integer({ min: 0, max: 8 }),
        type: eventType,
        limit: fc.integer({ min: 0, max: 3 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant("trim"),
        policy: fc.record(
          { maxEvents: fc.integer({ min: 0, max: 12 }), maxBytes: bytes, upTo: fc.integer({ min: 0, max: 40 }) },
          { requiredKeys: [] },
        ),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant("mark"),
        user: fc.constantFrom("ann", "bob"),
        seq: fc.integer({ min: 0, max: 40 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant("snapshot"),
        back: fc.integer({ min: 0, max: 9 }),
        atMost: fc.integer({ min: 0, max: 60 }),
      }),
    },
  ];
  if (durable) kinds.push({ weight: 1, arbitrary: fc.record({ kind: fc.constant("reopen") }) });
  return fc.array(fc.oneof(...kinds), { minLength: 1, maxLength: 25 });
}

/** Compares the log with the model over random steps, each run in a room of its own. */
export function modelContract(on: LogSubject): void {
  describe("any sequence of steps", () => {
    it("does what the model does", { timeout: 120_000 }, async () => {
      await fc.assert(
        fc.asyncProperty(steps(on.traits.durable), async (sequence) => {
          const room = `chat:model-${randomUUID()}`;
          const model = new Model();
          for (const step of sequence) await take(step, on, room, model);
          const page = await on.log.read(room, 0, 10_000, Infinity);
          expect(page).toMatchObject({ first: model.first, head: model.head, events: model.kept });
        }),
        { numRuns: 40 },
      );
    });
  });
}

async function take(step: Step, on: LogSubject, room: string, model: Model): Promise<void> {
  const { log } = on;
  switch (step.kind) {
    case "append":
      return takeAppends(step.appends, log, room, model);
    case "read": {
      const { at, limit, maxBytes, back } = step;
      const page = await (back ? log.readBack(room, at, limit, maxBytes) : log.read(room, at, limit, maxBytes));
      expect(page).toMatchObject({ first: model.first, head: model.head });
      expect(page.events).toMatchObject(model.read(at, limit, maxBytes, back));
      return;
    }
    case "find":
      expect((await log.find(room, step.sender, step.messageId))?.seq).toBe(model.find(step.sender, step.messageId));
      return;
    case "amendments": {
      const seq = model.head - step.back;
      const found = await log.amendments(room, seq, step.type, step.limit);
      const expected = model.amendments(seq, step.type, step.limit);
      expect(found).toHaveLength(expected.length);
      expect(found).toMatchObject(expected);
      return;
    }
    case "trim":
      expect(await log.trim(room, step.policy)).toBe(model.trim(step.policy));
      return;
    case "mark": {
      const before = model.marks.get(step.user) ?? -1;
      const seq = Math.max(before, step.seq);
      model.marks.set(step.user, seq);
      expect(await log.setMark(room, "read", step.user, step.seq)).toEqual({ seq, moved: seq > before });
      expect(await log.marks(room, "read")).toEqual(model.marks);
      return;
    }
    case "snapshot": {
      const seq = Math.max(0, model.head - step.back);
      await log.putSnapshot(room, seq, `${seq}`);
      model.snapshots = [...new Set([...model.snapshots, seq])].sort((a, b) => b - a).slice(0, 2);
      const found = model.snapshots.find((candidate) => candidate <= step.atMost);
      expect((await log.snapshot(room, step.atMost))?.seq).toBe(found);
      return;
    }
    case "reopen":
      await on.reopen();
  }
}

async function takeAppends(appends: readonly AppendStep[], log: Log, room: string, model: Model): Promise<void> {
  // The model takes each append as it is called: within one turn they happen in the order of the calls.
  const expected: (number | "conflict")[] = [];
  const calls = appends.map((step) => {
    const options = optionsOf(step, model);
    expected.push(model.append(step, options));
    const call = log.append(room, step.sender, step.messageId, { type: step.type, data: step.data }, options);
    return call.then(
      (result) => result.seq,
      (error: { code: string }) => error.code,
    );
  });
  expect(await Promise.all(calls)).toEqual(expected);
}

function optionsOf(step: AppendStep, model: Model): AppendOptions {
  const options: { -readonly [key in keyof AppendOptions]: AppendOptions[key] } = {};
  if (step.expect !== undefined) options.expect = model.head + step.expect;
  options.amend = step.amend?.map(({ back, known }, index) => {
    const seq = model.head - back;
    const expectData = known ? (model.event(seq)?.data ?? "") : "?";
    return { seq, expectData, data: `"amended ${model.head} ${index}"` };
  });
  return options;
}
