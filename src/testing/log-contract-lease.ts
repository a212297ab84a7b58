import { describe, expect, it, vi } from "vitest";
import type { Lease } from "../log/log.ts";
import type { LogSubject } from "./log-subject.ts";

/** Long enough that nothing expires while a test runs. */
const LONG_MS = 60_000;
const SHORT_MS = 200;

/** The part of the log's contract about who leads a room. */
export function leaseContract(on: LogSubject): void {
  const ask = (owner: string, ttlMs = LONG_MS, roomId = on.room) => on.log.lease(roomId, owner, ttlMs);
  const append = (fence: number, messageId: string | null = null) =>
    on.log.append(on.room, null, messageId, { type: "ticked", data: "1" }, { fence });
  const head = async () => (await on.log.heads([on.room])).get(on.room)!.head;

  /** Asks for `owner` until it has the lease: until the time of whoever had it is over. */
  async function succeed(owner: string): Promise<Lease> {
    on.harness.advance?.(SHORT_MS);
    return vi.waitFor(
      async () => {
        const lease = await ask(owner);
        expect(lease.holder).toBe(owner);
        return lease;
      },
      { timeout: 10_000, interval: 20 },
    );
  }

  describe("lease", () => {
    it("is given to who asks first, and kept from others", async () => {
      const lease = await ask("ann");
      expect(lease.holder).toBe("ann");
      expect(lease.fence).toBeGreaterThanOrEqual(1);
      expect(lease.expiresInMs).toBeGreaterThan(0);
      expect(lease.expiresInMs).toBeLessThanOrEqual(LONG_MS);
      const refused = await ask("bob", 1);
      expect(refused).toMatchObject({ holder: "ann", fence: lease.fence });
      expect(refused.expiresInMs).toBeGreaterThan(1);
      expect(refused.expiresInMs).toBeLessThanOrEqual(LONG_MS);
    });

    it("is given to one of many who ask at once", async () => {
      const owners = Array.from({ length: 20 }, (_, index) => `node-${index}`);
      const leases = await Promise.all(owners.map((owner) => ask(owner)));
      expect(new Set(leases.map(({ holder }) => holder)).size).toBe(1);
      expect(new Set(leases.map(({ fence }) => fence)).size).toBe(1);
      expect(owners).toContain(leases[0]!.holder);
    });

    it("is one for each room", async () => {
      await ask("ann");
      expect(await ask("bob", LONG_MS, on.other)).toMatchObject({ holder: "bob" });
    });

    it("is kept with its fence by asking again, and its time starts anew", async () => {
      const { fence } = await ask("ann", SHORT_MS);
      expect(await ask("ann")).toMatchObject({ holder: "ann", fence });
      on.harness.advance?.(SHORT_MS * 2);
      const seen = await ask("bob");
      expect(seen).toMatchObject({ holder: "ann", fence });
      expect(seen.expiresInMs).toBeGreaterThan(SHORT_MS);
      // A shorter time is the time from then on.
      await ask("ann", SHORT_MS);
      expect((await ask("bob")).expiresInMs).toBeLessThanOrEqual(SHORT_MS);
    });

    it("goes to another with a higher fence when its time is over", async () => {
      const { fence } = await ask("ann", SHORT_MS);
      const lease = await succeed("bob");
      expect(lease.fence).toBeGreaterThan(fence);
      expect(await ask("ann")).toMatchObject({ holder: "bob", fence: lease.fence });
    });

    it("has a higher fence for the same owner too, when its time was over", async () => {
      const { fence } = await ask("ann", SHORT_MS);
      await vi.waitFor(
        async () => {
          on.harness.advance?.(SHORT_MS);
          // Each time it has it for a moment only, so that it is over when it asks again.
          expect((await ask("ann", 1)).fence).toBeGreaterThan(fence);
        },
        { timeout: 10_000, interval: SHORT_MS * 2 },
      );
    });

    it("can be given back, by who has it and with its fence", async () => {
      const first = await ask("ann");
      await on.log.endLease(on.room, "bob", first.fence);
      await on.log.endLease(on.room, "ann", first.fence + 1);
      await on.log.endLease(on.other, "ann", first.fence);
      expect(await ask("bob")).toMatchObject({ holder: "ann" });
      await on.log.endLease(on.room, "ann", first.fence);
      await on.log.endLease(on.room, "ann", first.fence);
      const second = await ask("bob");
      expect(second.holder).toBe("bob");
      expect(second.fence).toBeGreaterThan(first.fence);
      await on.log.endLease(on.room, "ann", first.fence);
      expect(await ask("ann")).toMatchObject({ holder: "bob", fence: second.fence });
    });

    it("changes nothing of the room's events", async () => {
      const { epoch } = await on.say("a");
      await ask("ann");
      expect((await on.log.heads([on.room])).get(on.room)).toEqual({ epoch, first: 1, head: 1 });
      await ask("ann", LONG_MS, on.other);
      expect((await on.log.heads([on.other])).get(on.other)).toMatchObject({ first: 1, head: 0 });
    });

    if (on.traits.durable) {
      it("is there after a restart, and so are its fences", async () => {
        const first = await ask("ann");
        await on.reopen();
        expect(await ask("bob")).toMatchObject({ holder: "ann", fence: first.fence });
        await on.log.endLease(on.room, "ann", first.fence);
        await on.reopen();
        expect((await ask("bob")).fence).toBeGreaterThan(first.fence);
        await expect(append(first.fence)).rejects.toMatchObject({ code: "conflict" });
      });
    }
  });

  describe("an append with a fence", () => {
    it("is taken while no higher fence was given out", async () => {
      const { fence } = await ask("ann");
      expect(await append(fence)).toMatchObject({ seq: 1, duplicate: false });
      await ask("ann");
      await on.log.endLease(on.room, "ann", fence);
      expect(await append(fence)).toMatchObject({ seq: 2 });
    });

    it("is a `conflict` once another has the lease, and changes nothing", async () => {
      const { fence } = await ask("ann", SHORT_MS);
      await append(fence);
      const { fence: newer } = await succeed("bob");
      await expect(append(fence)).rejects.toMatchObject({ code: "conflict", retryable: false });
      expect(await head()).toBe(1);
      expect(await append(newer)).toMatchObject({ seq: 2 });
      await on.say("without");
      expect(await head()).toBe(3);
    });

    it("is a `conflict` when the fence was never given out", async () => {
      await expect(append(1)).rejects.toMatchObject({ code: "conflict" });
      const { fence } = await ask("ann");
      await expect(append(fence + 1)).rejects.toMatchObject({ code: "conflict" });
      expect(await head()).toBe(0);
    });

    it("is looked at together with the other conditions", async () => {
      const { fence } = await ask("ann");
      await on.say("a");
      const event = { type: "ticked", data: "2" };
      const both = (expected: number, held: number) =>
        on.log.append(on.room, null, null, event, { expect: expected, fence: held });
      await expect(both(0, fence)).rejects.toMatchObject({ code: "conflict" });
      await expect(both(1, fence + 1)).rejects.toMatchObject({ code: "conflict" });
      expect(await both(1, fence)).toMatchObject({ seq: 2 });
    });

    it("is a repetition first: the same messageId is answered as before, whoever leads", async () => {
      const { fence } = await ask("ann");
      const first = await append(fence, "m-1");
      await on.log.endLease(on.room, "ann", fence);
      await ask("bob");
      expect(await append(fence, "m-1")).toEqual({ ...first, duplicate: true });
    });

    it("of one turn goes in the order of the calls", async () => {
      const { fence } = await ask("ann");
      const results = await Promise.allSettled([append(fence), append(fence + 1), append(fence)]);
      expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
      expect(await on.seqs(0, 10)).toEqual([1, 2]);
    });
  });

  describe("a snapshot with a fence", () => {
    const keep = (data: string, fence?: number) => on.log.putSnapshot(on.room, 0, data, fence);
    const kept = async () => (await on.log.snapshot(on.room))?.data;

    it("is kept in the place of the one before, while no higher fence was given out", async () => {
      const { fence } = await ask("ann");
      await keep("a first ü", fence);
      expect(await on.log.snapshot(on.room)).toMatchObject({ seq: 0, data: "a first ü" });
      await keep("a second", fence);
      await on.log.endLease(on.room, "ann", fence);
      await keep("a third", fence);
      expect(await kept()).toBe("a third");
      expect(await head()).toBe(0);
      if (on.traits.durable) await on.reopen();
      expect(await kept()).toBe("a third");
    });

    it("is a `conflict` once another has the lease, and changes nothing", async () => {
      const { fence } = await ask("ann");
      await keep("ann's", fence);
      await on.log.endLease(on.room, "ann", fence);
      const { fence: newer } = await ask("bob");
      await expect(keep("ann's again", fence)).rejects.toMatchObject({ code: "conflict", retryable: false });
      expect(await kept()).toBe("ann's");
      await keep("bob's", newer);
      expect(await kept()).toBe("bob's");
      await keep("anybody's");
      expect(await kept()).toBe("anybody's");
    });

    it("is a `conflict` when the fence was never given out", async () => {
      await expect(keep("x", 1)).rejects.toMatchObject({ code: "conflict" });
      const { fence } = await ask("ann");
      await expect(keep("x", fence + 1)).rejects.toMatchObject({ code: "conflict" });
      expect(await kept()).toBeUndefined();
    });

    it("that is called before the lease is given back is kept", async () => {
      const { fence } = await ask("ann");
      await Promise.all([keep("the last", fence), on.log.endLease(on.room, "ann", fence)]);
      expect(await kept()).toBe("the last");
    });
  });
}
