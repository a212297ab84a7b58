import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Log } from "../log/log.ts";
import { createMemoryLog } from "../log/memory.ts";
import { nullObserver } from "../observe/observer.ts";
import type { Clock } from "../protocol/index.ts";
import { createFakeClock, type FakeClock } from "../testing/fake-clock.ts";
import { type Lead, Leading } from "./lead.ts";

const ROOM = "game:arena";
/** How long a room may be without a leader after one has died, ms. */
const FAILOVER_MS = 3_000;

/** A node that wants to lead: its own clock may sleep, and its way to the log may be slow or cut. */
class Runner {
  readonly leads: Lead[] = [];
  readonly leading: Leading;
  letGo: () => void;
  /** While it sleeps its timers do not run, though time passes. */
  isAsleep = false;
  delayMs = 0;
  isCut = false;
  failures = 0;
  #woken: (() => void)[] = [];

  constructor(name: string, log: Log, clock: FakeClock) {
    const own: Clock = {
      now: clock.now,
      monotonic: clock.monotonic,
      setTimer: (run, ms) => clock.setTimer(() => (this.isAsleep ? void this.#woken.push(run) : run()), ms),
    };
    const pass = async <T>(ask: () => Promise<T>): Promise<T> => {
      if (this.isCut) throw new Error("cut");
      const answer = await ask();
      if (this.delayMs > 0) await new Promise<void>((resolve) => void clock.setTimer(resolve, this.delayMs));
      while (this.isAsleep) await new Promise<void>((resolve) => this.#woken.push(resolve));
      return answer;
    };
    const slow = {
      lease: (...asked: Parameters<Log["lease"]>) => pass(() => log.lease(...asked)),
      endLease: (...asked: Parameters<Log["endLease"]>) => pass(() => log.endLease(...asked)),
    } as Log;
    const observer = { ...nullObserver, failure: () => void this.failures++ };
    this.leading = new Leading({ roomId: ROOM, log: slow, clock: own, observer }, name);
    this.letGo = this.leading.lead((lead) => this.leads.push(lead));
  }

  get lead(): Lead | undefined {
    return this.leads.at(-1);
  }

  wake(): void {
    this.isAsleep = false;
    for (const run of this.#woken.splice(0)) run();
  }
}

describe("leading a room", () => {
  function world() {
    const clock = createFakeClock();
    const log = createMemoryLog({ clock });
    const runners = ["a", "b"].map((name) => new Runner(name, log, clock));
    return { clock, log, a: runners[0]!, b: runners[1]!, runners };
  }

  it("is asked for again at once when the lease was given back while the question was under way", async () => {
    const { clock, a, b } = world();
    await clock.advance(0);
    const [leader, waiting] = a.lead === undefined ? [b, a] : [a, b];
    waiting.delayMs = 50;
    waiting.leading.hurry();
    await clock.advance(10);
    leader.letGo();
    await clock.advance(10);
    waiting.leading.hurry();
    waiting.delayMs = 0;
    await clock.advance(100);
    expect(waiting.lead?.holds()).toBe(true);
    for (const { leading } of [leader, waiting]) leading.close();
  });

  it("is for one node at a time, for as long as it goes on", async () => {
    const { clock, a, b } = world();
    await clock.advance(60_000);
    expect([a.leads.length, b.leads.length]).toEqual([1, 0]);
    expect(a.lead!.holds()).toBe(true);
    expect(a.lead!.signal.aborted).toBe(false);
  });

  it("goes to another at once or within 3 s when it is let go, with a higher fence", async () => {
    const { clock, a, b } = world();
    await clock.advance(1_000);
    a.letGo();
    expect(a.lead!.signal.aborted).toBe(true);
    await clock.advance(FAILOVER_MS);
    expect(b.lead!.fence).toBeGreaterThan(a.lead!.fence);
    expect(b.lead!.holds()).toBe(true);
  });

  it("goes to another at once that is told that it was given back", async () => {
    const { clock, a, b } = world();
    await clock.advance(1_000);
    a.letGo();
    await clock.flush();
    b.leading.hurry();
    await clock.flush();
    expect(b.lead?.holds()).toBe(true);
  });

  it("goes to another within 3 s when the leader dies, and never before its time is over", async () => {
    const { clock, a, b } = world();
    await clock.advance(5_000);
    a.isCut = true;
    for (let ms = 0; ms < FAILOVER_MS && b.leads.length === 0; ms += 10) await clock.advance(10);
    expect(b.leads).toHaveLength(1);
    expect(a.lead!.holds()).toBe(false);
    expect(a.failures).toBeGreaterThan(0);
  });

  it("[case 54] is over for one that slept, before it acts: looking at it looks at the time", async () => {
    const { clock, a, b } = world();
    await clock.advance(1_000);
    const slept = a.lead!;
    a.isAsleep = true;
    await clock.advance(FAILOVER_MS);
    expect(b.lead!.holds()).toBe(true);
    // It wakes: nothing of its own has run yet.
    expect(slept.holds()).toBe(false);
    expect(slept.signal.aborted).toBe(true);
    a.wake();
    await clock.advance(10_000);
    expect(a.leads).toHaveLength(1);
  });

  it("is over when the machine slept and only the clock of the wall went on", async () => {
    const { clock, a } = world();
    await clock.advance(1_000);
    clock.shiftWallClock(60_000);
    expect(a.lead!.holds()).toBe(false);
  });

  it("comes back with a higher fence to one who lost it", async () => {
    const { clock, a, b } = world();
    await clock.advance(1_000);
    a.isCut = true;
    await clock.advance(FAILOVER_MS);
    a.isCut = false;
    b.letGo();
    await clock.advance(FAILOVER_MS);
    expect(a.leads).toHaveLength(2);
    expect(a.leads[1]!.fence).toBeGreaterThan(b.lead!.fence);
  });

  it("lets the log refuse what a leader of before appends", async () => {
    const { clock, log, a, b } = world();
    await clock.advance(1_000);
    const event = { type: "ticked", data: "1" };
    await log.append(ROOM, null, null, event, { fence: a.lead!.fence });
    a.isCut = true;
    await clock.advance(FAILOVER_MS);
    await log.append(ROOM, null, null, event, { fence: b.lead!.fence });
    await expect(log.append(ROOM, null, null, event, { fence: a.lead!.fence })).rejects.toMatchObject({
      code: "conflict",
    });
  });

  it("is given back when the room is let go while the log is being asked", async () => {
    const { clock, log, a, b } = world();
    b.letGo();
    a.delayMs = 500;
    await clock.flush();
    a.leading.close();
    await clock.advance(1_000);
    expect(a.leads).toHaveLength(0);
    expect(await log.lease(ROOM, "c", 1_000)).toMatchObject({ holder: "c" });
    expect(clock.pendingTimers).toBe(0);
  });

  it("is not taken from an answer that is older than its being given back", async () => {
    const { clock, log, a, b } = world();
    b.letGo();
    await clock.advance(600);
    a.delayMs = 400;
    // It has asked again, and has no answer yet.
    await clock.advance(300);
    const next: Lead[] = [];
    a.leading.lead((lead) => next.push(lead));
    a.letGo();
    expect(await log.lease(ROOM, "c", 2_000)).toMatchObject({ holder: "c" });
    await clock.advance(1_900);
    expect(next).toHaveLength(0);
    await clock.advance(1_500);
    expect(next.map((lead) => lead.holds())).toEqual([true]);
  });

  it("is never for two at once, however slow the log, whoever sleeps", async () => {
    const step = fc.record({
      who: fc.nat(2),
      what: fc.constantFrom("sleep", "wake", "cut", "mend", "slow", "fast", "wait", "wait", "wait"),
      ms: fc.integer({ min: 1, max: 3_000 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const clock = createFakeClock();
        const log = createMemoryLog({ clock });
        const runners = ["a", "b", "c"].map((name) => new Runner(name, log, clock));
        const look = () => {
          const holding = runners.filter((runner) => runner.lead?.holds() === true);
          expect(holding.length).toBeLessThanOrEqual(1);
          return holding.length;
        };
        for (const { who, what, ms } of steps) {
          const runner = runners[who]!;
          if (what === "sleep") runner.isAsleep = true;
          else if (what === "wake") runner.wake();
          else if (what === "cut" || what === "mend") runner.isCut = what === "cut";
          else if (what === "slow" || what === "fast") runner.delayMs = what === "slow" ? ms : 0;
          else {
            for (let waited = 0; waited < ms; waited += 100) {
              await clock.advance(100);
              look();
            }
          }
        }
        for (const runner of runners) {
          runner.isCut = false;
          runner.delayMs = 0;
          runner.wake();
        }
        await clock.advance(FAILOVER_MS * 2);
        expect(look()).toBe(1);
        const fences = runners.flatMap(({ leads }) => leads.map(({ fence }) => fence));
        for (const runner of runners) runner.leading.close();
        expect(fences.length).toBeGreaterThan(0);
      }),
      { numRuns: 60 },
    );
  });
});
