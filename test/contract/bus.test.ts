import { describe, expect, it, vi } from "vitest";
import type { Notice } from "../../src/bus/bus.ts";
import { createMemoryBus, createMemoryHub } from "../../src/bus/memory.ts";
import { createBusHub, createRemoteBus } from "../../src/bus/remote.ts";
import { busContract } from "../../src/testing/bus-contract.ts";
import { createFakeClock } from "../../src/testing/fake-clock.ts";
import { createLossyBus } from "../../src/testing/lossy-bus.ts";
import { createPortPair } from "./port-pair.ts";

busContract("memory", async () => {
  const hub = createMemoryHub();
  return { here: createMemoryBus({ hub }), there: createMemoryBus({ hub }) };
});

busContract("lossy over memory", async () => {
  const hub = createMemoryHub();
  return {
    here: createLossyBus(createMemoryBus({ hub }), { seed: 7 }),
    there: createLossyBus(createMemoryBus({ hub }), { seed: 8 }),
  };
});

busContract("remote, over a hub", async () => {
  const hub = createBusHub();
  const connect = () => {
    const [node, side] = createPortPair();
    hub.attach(side);
    return createRemoteBus(node);
  };
  const settle = () => new Promise<void>((resolve) => setTimeout(resolve, 10));
  return { here: connect(), there: connect(), settle };
});

describe("a remote bus", () => {
  it("brings nothing more to a process that has gone, and forgets what it listened to", async () => {
    const hub = createBusHub();
    const [node, side] = createPortPair();
    hub.attach(side);
    const bus = createRemoteBus(node);
    const heard: Notice[] = [];
    bus.subscribe("chat:a", (notice) => heard.push(notice));
    await vi.waitFor(() => {
      hub.publish("chat:a", event(1));
      expect(heard.length).toBeGreaterThan(0);
    });
    node.close();
    await vi.waitFor(() => expect(side.isGone).toBe(true));
    hub.publish("chat:a", event(2));
    bus.publish("chat:a", event(3));
    await new Promise((resolve) => setImmediate(resolve));
    expect(heard).not.toContainEqual(event(2));
  });
});

describe("a memory bus", () => {
  it("hears only its own hub", async () => {
    const heard: Notice[] = [];
    const [here, there] = [createMemoryBus(), createMemoryBus()];
    there.subscribe("chat:a", (notice) => heard.push(notice));
    here.publish("chat:a", event(1));
    await new Promise((resolve) => setImmediate(resolve));
    expect(heard).toEqual([]);
  });

  it("keeps nothing of a room nobody listens to", () => {
    const hub = createMemoryHub();
    const bus = createMemoryBus({ hub });
    bus.subscribe("chat:a", () => {})();
    expect(hub.rooms.size).toBe(0);
  });
});

describe("a lossy bus", () => {
  async function faults(seed: number) {
    const clock = createFakeClock();
    const bus = createLossyBus(createMemoryBus(), { seed, clock });
    const heard: number[] = [];
    bus.subscribe("chat:a", (notice) => heard.push(notice.kind === "event" ? notice.seq : 0));
    for (let seq = 1; seq <= 200; seq++) bus.publish("chat:a", event(seq));
    await clock.advance(100);
    return { heard, counts: bus.counts };
  }

  it("loses, repeats, delays and reorders", async () => {
    const { heard, counts } = await faults(1);
    expect(new Set(heard).size).toBe(200 - counts.lost);
    expect(heard).toHaveLength(200 - counts.lost + counts.repeated);
    for (const count of Object.values(counts)) expect(count).toBeGreaterThan(10);
    expect(heard).not.toEqual([...heard].sort((a, b) => a - b));
  });

  it("does the same for the same seed", async () => {
    expect(await faults(5)).toEqual(await faults(5));
    expect((await faults(5)).heard).not.toEqual((await faults(6)).heard);
  });

  it("does no harm while it is told not to", async () => {
    const bus = createLossyBus(createMemoryBus(), { loss: 1 });
    bus.faulty = false;
    const heard: Notice[] = [];
    bus.subscribe("chat:a", (notice) => heard.push(notice));
    bus.publish("chat:a", event(1));
    await new Promise((resolve) => setImmediate(resolve));
    expect(heard).toEqual([event(1)]);
  });
});

function event(seq: number): Notice {
  return { kind: "event", from: "node", epoch: "e", seq };
}
