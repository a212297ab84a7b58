import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AppendOptions } from "../log/log.ts";
import { createLossyBus, type LossyBus } from "../testing/lossy-bus.ts";
import { CheckedReader } from "./checked-reader.test-support.ts";
import { LINES, lineFormat, type Node, ROOM, World } from "./world.test-support.ts";

const FORMATS = [LINES, lineFormat("other")];

const node = fc.nat(1);
const pick = fc.nat(30);
const bytes = fc.constantFrom(1, 200, 2_000, Infinity);
const STEPS = {
  append: { node, count: fc.integer({ min: 1, max: 4 }), amend: fc.option(fc.nat(6), { freq: 3 }) },
  fail: { node, count: fc.integer({ min: 1, max: 2 }) },
  loseReplies: { node, count: fc.integer({ min: 1, max: 2 }) },
  hang: { node },
  release: { node },
  retry: { pick },
  hold: { node },
  failReads: { node, count: fc.integer({ min: 1, max: 3 }) },
  turn: {},
  time: { ms: fc.constantFrom(1, 20, 500, 1_000) },
  join: { node, format: fc.nat(1), back: fc.option(fc.nat(12), { freq: 4 }) },
  seek: { pick, back: fc.nat(12) },
  leave: { pick },
  block: { pick },
  wake: { pick, bytes },
  trim: { maxEvents: fc.nat(8) },
  state: { node, key: fc.constantFrom("a", "b", "c"), value: fc.option(fc.nat(9)) },
  signal: { node },
  remake: {},
} as const;
const WEIGHTS: { [kind in keyof typeof STEPS]?: number } = {
  append: 10,
  turn: 8,
  join: 3,
  wake: 3,
  block: 2,
  trim: 2,
  time: 2,
};

type StepOf<Kind extends keyof typeof STEPS> = { kind: Kind } & {
  [name in keyof (typeof STEPS)[Kind]]: (typeof STEPS)[Kind][name] extends fc.Arbitrary<infer Value> ? Value : never;
};
type Step = { [kind in keyof typeof STEPS]: StepOf<kind> }[keyof typeof STEPS];

const kinds = Object.keys(STEPS) as (keyof typeof STEPS)[];
const step = fc.oneof(
  ...kinds.map((kind) => ({
    weight: WEIGHTS[kind] ?? 1,
    arbitrary: fc.record({ kind: fc.constant(kind), ...STEPS[kind] }) as unknown as fc.Arbitrary<Step>,
  })),
);
const plan = fc.record({
  seed: fc.nat(),
  tailEvents: fc.constantFrom(1, 3, 8, 512),
  pageEvents: fc.constantFrom(1, 2, 5, Infinity),
  steps: fc.array(step, { minLength: 10, maxLength: 70 }),
});
type Plan = typeof plan extends fc.Arbitrary<infer Value> ? Value : never;

/** What all runs together met: a property that never gets anywhere holds too. */
const met = { events: 0, retention: 0, epoch: 0, stalls: 0, lostNotices: 0, refused: 0, fromLog: 0 };

/** Two nodes on one log, their readers, and everything that happens to them. */
class Run {
  readonly world = new World();
  readonly nodes: readonly [Node, Node];
  readonly buses: LossyBus[] = [];
  readonly readers: CheckedReader[] = [];
  readonly #waiting: Promise<unknown>[] = [];
  /** Appends that were refused, and not yet tried again. */
  readonly #refused: { node: number; id: number; options: AppendOptions | undefined }[] = [];
  /** The logs there were, the newest last. */
  readonly #logs = [this.world.log];
  #ids = 0;

  constructor({ seed, tailEvents, pageEvents }: Plan) {
    const make = (index: number) => {
      const made = this.world.node({
        limits: { tailEvents },
        bus: (inner) => {
          const bus = createLossyBus(inner, { seed: seed + index, loss: 0.3, clock: this.world.clock });
          this.buses.push(bus);
          return bus;
        },
      });
      made.gate.pageEvents = pageEvents;
      return made;
    };
    this.nodes = [make(0), make(1)];
  }

  async take(step: Step): Promise<void> {
    const { world, nodes } = this;
    const readers = this.readers.filter(({ isGone }) => !isGone);
    const reader = "pick" in step ? readers[step.pick % Math.max(1, readers.length)] : undefined;
    const at = nodes["node" in step ? step.node : 0]!;
    switch (step.kind) {
      case "append":
        for (let index = 0; index < step.count; index++) await this.#append(step.node, step.amend);
        return;
      case "retry": {
        const again = this.#refused.splice(step.pick % Math.max(1, this.#refused.length), 1)[0];
        if (again !== undefined) this.#publish(again.node, again.id, again.options);
        return;
      }
      case "fail":
        return at.log.failAppends(step.count);
      case "loseReplies":
        return at.log.loseReplies(step.count);
      case "hang":
        return at.log.hangAppends();
      case "release":
        at.log.release();
        return at.gate.release();
      case "hold":
        return at.gate.hold();
      case "failReads":
        return at.gate.failReads(step.count);
      case "turn":
        return world.clock.flush();
      case "time":
        return world.clock.advance(step.ms);
      case "join":
        return this.#join(at, step.format, step.back);
      case "seek":
        if (reader !== undefined) this.#waiting.push(reader.join(await this.#cursor(step.back)));
        return;
      case "leave":
        return reader?.leave();
      case "block":
        if (reader !== undefined) reader.sink.writable = false;
        return;
      case "wake":
        return reader?.wake(step.bytes);
      case "trim":
        return void (await world.log.trim(ROOM, { maxEvents: step.maxEvents }));
      case "state": {
        const room = at.rooms.get(ROOM)!;
        if (step.value === null) room.removeState("topic", step.key);
        else void room.setState("topic", step.key, step.value);
        return;
      }
      case "signal":
        return at.rooms.get(ROOM)!.signal("wave", {});
      case "remake":
        for (const { gate } of nodes) gate.release();
        await world.clock.flush();
        world.remake();
        this.#logs.push(world.log);
    }
  }

  async #append(index: number, back: number | null): Promise<void> {
    const id = ++this.#ids;
    const { head } = (await this.world.log.heads([ROOM])).get(ROOM)!;
    if (back === null || back >= head) return this.#publish(index, id, undefined);
    const [event] = (await this.world.log.read(ROOM, head - back - 1, 1)).events;
    if (event === undefined) return;
    const amended = { ...(JSON.parse(event.data) as object), amendedBy: id };
    const amend = [{ seq: event.seq, expectData: event.data, data: JSON.stringify(amended) }];
    this.#publish(index, id, { amend });
  }

  #publish(index: number, id: number, options: AppendOptions | undefined): void {
    const room = this.nodes[index]!.rooms.get(ROOM)!;
    const publishing = room.publish("ann", `${id}`, { type: "said", data: JSON.stringify({ id }) }, options);
    const refused = () => {
      met.refused++;
      this.#refused.push({ node: index, id, options });
    };
    this.#waiting.push(publishing.catch(refused));
  }

  async #cursor(back: number): Promise<{ epoch: string; seq: number }> {
    const { epoch, head } = (await this.world.log.heads([ROOM])).get(ROOM)!;
    return { epoch, seq: Math.max(0, head - back) };
  }

  async #join(at: Node, format: number, back: number | null): Promise<void> {
    const reader = new CheckedReader(at.rooms.get(ROOM)!, FORMATS[format]!);
    this.readers.push(reader);
    this.#waiting.push(reader.join(back === null ? null : await this.#cursor(back)));
  }

  /** Everything that is broken is mended, and whoever took no bytes takes them. Nobody else is touched. */
  async mend(): Promise<void> {
    for (const { log, gate } of this.nodes) {
      log.heal();
      gate.failReads(0);
      gate.release();
    }
    for (const bus of this.buses) bus.faulty = false;
    for (const reader of this.readers) if (!reader.isGone) reader.wake();
    await Promise.all(this.#waiting);
    await this.world.advance(6_000);
  }

  async check(): Promise<void> {
    const { epoch, head } = (await this.world.log.heads([ROOM])).get(ROOM)!;
    const logs = await Promise.all(this.#logs.map((log) => log.read(ROOM, 0, Infinity, Infinity)));
    const first = new Map(logs.map((log) => [log.epoch, log.first]));
    const ids = new Map<string, number>();
    for (const log of logs) {
      for (const event of log.events) ids.set(`${log.epoch}:${event.seq}`, idOf(JSON.parse(event.data)));
    }
    for (const reader of this.readers) {
      const { sink } = reader;
      expect(sink.problems).toEqual([]);
      for (const { epoch, seq, payload } of sink.given) {
        const cursor = `${epoch}:${seq}`;
        // What was removed meanwhile was the same for all readers.
        if (!ids.has(cursor)) ids.set(cursor, idOf(payload));
        expect([cursor, idOf(payload)]).toEqual([cursor, ids.get(cursor)]);
      }
      for (const { reason, epoch, to } of sink.losses) {
        expect(to).toBeLessThan(first.get(epoch)!);
        met[reason]++;
      }
      met.events += sink.given.length;
      if (reader.isGone) continue;
      expect([sink.epoch, sink.cursor, reader.isLive]).toEqual([epoch, head, true]);
      expect(Object.fromEntries(sink.topics)).toEqual(reader.room.stateSnapshot().topic ?? {});
    }
    for (const { rooms, stalls, gate } of this.nodes) {
      const { epoch: roomEpoch, head: roomHead, behind } = rooms.get(ROOM)!;
      expect([roomEpoch, roomHead, behind]).toEqual([epoch, head, 0]);
      met.stalls += stalls;
      met.fromLog += gate.reads;
    }
    for (const { counts } of this.buses) met.lostNotices += counts.lost;
  }
}

function idOf(payload: unknown): number {
  return (payload as { id: number }).id;
}

describe("a reader, whatever happens to the log, the bus, the other node and its own connection", () => {
  it("gets every event of every epoch once and in order, is told of every loss, and comes to the head", async () => {
    await fc.assert(
      fc.asyncProperty(plan, async (chosen) => {
        const run = new Run(chosen);
        const opening = Promise.all(run.nodes.map((at) => at.open()));
        // As long as an answer of the other node is waited for that the bus may have lost.
        await run.world.advance(250);
        await opening;
        try {
          for (const each of chosen.steps) await run.take(each);
          await run.mend();
          await run.check();
        } finally {
          run.world.close();
        }
        await Promise.all(run.buses.map((bus) => bus.close()));
        expect(run.world.clock.pendingTimers).toBe(0);
      }),
      { numRuns: 500 },
    );
    for (const [what, count] of Object.entries(met)) expect([what, count > 0]).toEqual([what, true]);
  });
});
