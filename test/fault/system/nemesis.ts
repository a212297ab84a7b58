import { between, pick, type Random, seededRandom } from "../random.ts";
import { type FaultKind, type FaultMarks, faultOf } from "./faults.ts";
import type { HistoryFile } from "./history-file.ts";
import type { RunPlan } from "./plan.ts";
import type { System } from "./system.ts";

const TURN_MS = 20;
/** So many faults at once, at most. */
const AT_ONCE = 3;

/**
 * Does the faults of a plan, in an order and with choices that the seed gives. They are spread over the acknowledgements, not
 * over time: on a slow machine they come as often for each message.
 */
export class Nemesis {
  /** How many of each kind were done. */
  readonly done: Partial<Record<FaultKind, number>> = {};
  /** What it could not do. */
  readonly failures: Error[] = [];
  readonly #system: System;
  readonly #plan: RunPlan;
  readonly #history: HistoryFile;
  readonly #random: Random;
  readonly #taken = new Set<string>();
  readonly #active = new Set<Promise<void>>();
  #next = 0;
  #endedAt = performance.now();
  #lastId = 0;

  constructor(system: System, plan: RunPlan, history: HistoryFile) {
    this.#system = system;
    this.#plan = plan;
    this.#history = history;
    this.#random = seededRandom(plan.seed + 7);
  }

  /** How many of a sort were done. */
  count(sort: "kill" | "partition" | "other"): number {
    return Object.entries(this.done).reduce(
      (sum, [kind, count]) => sum + (faultOf(kind as FaultKind).sort === sort ? count : 0),
      0,
    );
  }

  /** How many faults are under way. */
  get active(): number {
    return this.#active.size;
  }

  /** Does them all, each when as many messages were acknowledged as are due; ends early when `isOver`. */
  async run(isOver: () => boolean): Promise<void> {
    const order = shuffled(
      Object.entries(this.#plan.faults).flatMap(([kind, count]) => Array<FaultKind>(count).fill(kind as FaultKind)),
      this.#random,
    );
    for (const kind of order) {
      const due = Math.floor(((this.#next++ + this.#random()) * this.#plan.acked) / order.length);
      while (this.#system.acked < due || !this.#canStart(kind)) {
        if (isOver()) return this.#settled();
        await new Promise((resolve) => setTimeout(resolve, TURN_MS));
      }
      this.#start(kind);
    }
    await this.#settled();
  }

  async #settled(): Promise<void> {
    while (this.#active.size > 0) await Promise.all(this.#active);
  }

  #canStart(kind: FaultKind): boolean {
    const { gapMs } = this.#plan;
    if (gapMs !== null && (this.#active.size > 0 || performance.now() < this.#endedAt + gapMs)) return false;
    return (
      this.#active.size < AT_ONCE && faultOf(kind).needs.every((list) => list.some((name) => !this.#taken.has(name)))
    );
  }

  #start(kind: FaultKind): void {
    const { needs, run } = faultOf(kind);
    const random = seededRandom(between(this.#random, 0, 2 ** 31));
    const taken = needs.map((list) =>
      pick(
        this.#random,
        list.filter((name) => !this.#taken.has(name)),
      ),
    );
    for (const name of taken) this.#taken.add(name);
    const active = run(this.#system, random, this.#marks(kind), taken)
      .catch((error: Error) => {
        this.failures.push(new Error(`${kind}: ${error.message}`, { cause: error }));
      })
      .finally(() => {
        for (const name of taken) this.#taken.delete(name);
        this.#active.delete(active);
        this.#endedAt = performance.now();
      });
    this.#active.add(active);
  }

  #marks(kind: FaultKind): FaultMarks {
    let id = 0;
    let target = "";
    let isCounted = false;
    const mark = (phase: "begin" | "end"): void => {
      this.#history.add({ kind: "fault", what: kind, roomId: null, id, phase, target });
      // Whatever is killed next, this is known.
      this.#history.flush();
    };
    return {
      begin: (befallen) => {
        id = ++this.#lastId;
        target = befallen;
        if (!isCounted) this.done[kind] = (this.done[kind] ?? 0) + 1;
        isCounted = true;
        mark("begin");
      },
      end: () => mark("end"),
      recreated: () => this.#history.add({ kind: "fault", what: "recreated", roomId: null }),
    };
  }
}

function shuffled<T>(values: readonly T[], random: Random): T[] {
  const rest = [...values];
  for (let index = rest.length - 1; index > 0; index--) {
    const other = between(random, 0, index);
    [rest[index], rest[other]] = [rest[other]!, rest[index]!];
  }
  return rest;
}
