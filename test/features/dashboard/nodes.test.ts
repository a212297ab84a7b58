import { describe, expect, it } from "vitest";
import { createMemoryBus } from "../../../src/bus/memory.ts";
import { createMemoryLog } from "../../../src/log/memory.ts";
import { createFakeClock } from "../../../src/testing/index.ts";
import { startServer, until } from "../../harness.ts";
import { atEnd, connect, joinState, START, updates } from "./world.ts";

describe("dashboards on several nodes", () => {
  it("DASH-5 each measures itself, and every node shows all", async () => {
    const { clock, nodes } = await startNodes();
    await clock.advance(3_000);
    for (const node of nodes) {
      const client = await connect(node);
      const joining = joinState(client, "system", { last: 300 });
      await clock.advance(300);
      const { columns, rows } = await joining;
      const names = new Set(columns.slice(1).map((name) => name.split("@")[1]));
      expect(names.size).toBe(2);
      expect(columns).toHaveLength(25);
      expect(rows.length).toBeGreaterThanOrEqual(3);
      await clock.advance(1_000);
      const told = () => new Set(updates(client).flatMap(({ values }) => Object.keys(values)));
      await until(() => told().size === 24);
    }
  });

  it("DASH-1 a node that opens a dashboard has the past that others have of it", async () => {
    const { clock, nodes } = await startNodes();
    const [one, two] = nodes as [(typeof nodes)[0], (typeof nodes)[0]];
    for (let second = 0; second < 130; second++) {
      await one.dashboard("shop").set({ orders: second, ...(second > 100 ? { revenue: second } : {}) });
      await clock.advance(1_000);
    }
    const client = await connect(two);
    const joining = joinState(client, "shop", { last: 300 });
    await clock.advance(300);
    const state = await joining;
    const there = await one.dashboard("shop").read({ last: 300 });
    const sorted = (names: readonly string[]) => [...names].sort();
    expect(sorted(state.columns)).toEqual(sorted(there.columns));
    const orders = state.columns.indexOf("orders");
    expect(state.rows.map((row) => [row[0], row[orders]])).toEqual(
      Array.from({ length: 130 }, (_, second) => [START + second * 1_000, second]),
    );
    expect(state.latest).toEqual(there.latest);
    const minutes = await two.dashboard("shop").read({ resolution: "1m", last: 10 });
    expect(minutes.rows.map(([t, ...values]) => [t, values[minutes.columns.indexOf("orders") - 1]])).toEqual([
      [START, 29.5],
      [START + 60_000, 89.5],
    ]);
    await one.dashboard("shop").set({ orders: 1_000 });
    await two.dashboard("shop").set({ revenue: 2_000 });
    await clock.advance(200);
    for (const node of nodes) {
      const { latest } = await node.dashboard("shop").read();
      expect([latest.orders?.[1], latest.revenue?.[1]]).toEqual([1_000, 2_000]);
    }
  });

  it("DASH-1 what a node that ended had published stays in the past of the others", async () => {
    const { clock, nodes } = await startNodes();
    const [one, two] = nodes as [(typeof nodes)[0], (typeof nodes)[0]];
    await two.dashboard("shop").set({ visits: 1 });
    await one.dashboard("shop").set({ orders: 1 });
    await clock.advance(1_000);
    await one.dashboard("shop").set({ orders: 2 });
    await clock.advance(1_000);
    const closed = one.close();
    for (let turn = 0; turn < 20; turn++) await clock.advance(1_000);
    await closed;
    const { columns, rows, latest } = await two.dashboard("shop").read();
    expect(latest.orders).toBeUndefined();
    expect(rows.map((row) => row[columns.indexOf("orders")])).toEqual([1, 2]);
    await two.dashboard("shop").set({ orders: 3 });
    const again = await two.dashboard("shop").read();
    expect(again.rows.map((row) => row[columns.indexOf("orders")])).toEqual([1, 2, 3]);
  });
});

async function startNodes() {
  const clock = createFakeClock(START);
  const [bus, log] = [createMemoryBus(), createMemoryLog({ clock })];
  const nodes = await Promise.all([0, 1].map(() => startServer({ clock, bus, log })));
  atEnd(async () => {
    const closed = Promise.all(nodes.map((node) => node.close()));
    for (let turn = 0; turn < 20; turn++) await clock.advance(1_000);
    await closed;
  });
  return { clock, nodes };
}
