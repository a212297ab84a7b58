import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Bus, Notice } from "../bus/bus.ts";

/** Two nodes on the same bus. */
export interface BusHarness {
  readonly here: Bus;
  readonly there: Bus;
  /** Resolves when the subscriptions made so far are in force. Default: they are at once. */
  settle?(): Promise<void>;
  /** Called after both buses were closed. */
  dispose?(): Promise<void>;
}

const WAIT = { timeout: 10_000, interval: 2 };

/**
 * The contract of `Bus` as tests of vitest: call it at the top of a test file. It asks of a bus that may lose notices only
 * that some arrive.
 */
export function busContract(name: string, create: () => Promise<BusHarness>): void {
  describe(`bus: ${name}`, () => {
    let harness: BusHarness;
    let here: Bus;
    let there: Bus;
    let room: string;
    let seq = 0;

    beforeEach(async () => {
      harness = await create();
      ({ here, there } = harness);
      room = `chat:bus-${randomUUID()}`;
    });

    afterEach(async () => {
      await Promise.all([here.close(), there.close()]);
      await harness.dispose?.();
    });

    function next(): Notice {
      return { kind: "event", from: "node-here", epoch: "e", seq: ++seq };
    }

    async function settle(): Promise<void> {
      await harness.settle?.();
    }

    /** Publishes until `arrived`, as often as a bus that loses notices makes necessary. */
    async function ring(arrived: () => boolean, roomId = room, bus = here): Promise<void> {
      await vi.waitFor(() => {
        bus.publish(roomId, next());
        expect(arrived()).toBe(true);
      }, WAIT);
    }

    it("brings notices of both kinds to the other node, as they were", async () => {
      const signal: Notice = {
        kind: "signal",
        from: "node-here",
        envelope: { type: "wave", payload: { text: "Grüße 山彦", list: [1, null, true] }, roomId: room },
      };
      const heard: Notice[] = [];
      there.subscribe(room, (notice) => heard.push(notice));
      await settle();
      const event = next();
      await vi.waitFor(() => {
        here.publish(room, event);
        here.publish(room, signal);
        expect(heard).toContainEqual(event);
        expect(heard).toContainEqual(signal);
      }, WAIT);
    });

    it("brings every notice, once and in order, when it says it is lossless", async () => {
      if (!here.lossless) return expect(here.lossless).toBe(false);
      const heard: Notice[] = [];
      there.subscribe(room, (notice) => heard.push(notice));
      await settle();
      const notices = Array.from({ length: 500 }, next);
      for (const notice of notices) here.publish(room, notice);
      await vi.waitFor(() => expect(heard).toHaveLength(500), WAIT);
      expect(heard).toEqual(notices);
      return;
    });

    it("brings a room's notices only to that room's subscriptions", async () => {
      const heard: string[] = [];
      const other = `${room}-other`;
      there.subscribe(room, () => heard.push(room));
      there.subscribe(other, () => heard.push(other));
      await settle();
      here.publish(room, next());
      await ring(() => heard.includes(other), other);
      heard.length = 0;
      await ring(() => heard.length > 0, other);
      here.publish(`${room}-nobody`, next());
      expect(new Set(heard)).toEqual(new Set([other]));
    });

    it("brings a notice to every subscription", async () => {
      const heard = new Set<number>();
      for (const subscription of [1, 2, 3]) there.subscribe(room, () => heard.add(subscription));
      await settle();
      await ring(() => heard.size === 3);
    });

    it("never calls from inside `publish` or `subscribe`", async () => {
      let inside = false;
      const calledInside: boolean[] = [];
      const publish = (bus: Bus) => {
        inside = true;
        bus.publish(room, next());
        bus.subscribe(room, () => calledInside.push(inside));
        inside = false;
      };
      await vi.waitFor(() => {
        publish(here);
        publish(there);
        expect(calledInside.length).toBeGreaterThan(0);
      }, WAIT);
      expect(calledInside).not.toContain(true);
    });

    it("brings nothing after a subscription was stopped, which may be done twice", async () => {
      let stopped = false;
      let late = 0;
      let others = 0;
      const stop = there.subscribe(room, () => {
        if (stopped) late++;
      });
      there.subscribe(room, () => others++);
      await settle();
      here.publish(room, next());
      stop();
      stop();
      stopped = true;
      await ring(() => others >= 3);
      expect(late).toBe(0);
    });

    it("can be subscribed to again", async () => {
      there.subscribe(room, () => {})();
      let heard = 0;
      there.subscribe(room, () => heard++);
      await settle();
      await ring(() => heard > 0);
    });

    it("works both ways", async () => {
      let heard = 0;
      here.subscribe(room, () => heard++);
      await settle();
      await ring(() => heard > 0, room, there);
    });

    it("throws nothing and brings nothing after `close`, which may be called twice", async () => {
      let closed = false;
      let late = 0;
      there.subscribe(room, () => {
        if (closed) late++;
      });
      await settle();
      here.publish(room, next());
      await there.close();
      closed = true;
      await there.close();
      there.publish(room, next());
      there.subscribe(room, () => late++)();
      here.publish(room, next());
      await here.close();
      here.publish(room, next());
      await new Promise((resolve) => setImmediate(resolve));
      expect(late).toBe(0);
    });
  });
}
