import type { Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { dashboards } from "../../../src/features/index.ts";
import { until } from "../../harness.ts";
import { connect, joinState, START, startStill, updates } from "./world.ts";

describe("the pace of a dashboard", () => {
  it("DASH-3 a reader at one update a second among 1,000 a second never has more than one on its way", async () => {
    const { server, clock } = await startStill();
    const load = server.dashboard("load");
    const client = await connect(server);
    const fast = await connect(server, "ben");
    await joinState(client, "load", { maxHz: 1 });
    await joinState(fast, "load");
    let published = 0;
    for (let second = 1; second <= 5; second++) {
      for (let tenth = 0; tenth < 10; tenth++) {
        for (let turn = 0; turn < 100; turn++) await load.set({ [`s${turn % 50}`]: published, newest: published++ });
        await clock.advance(100);
      }
      await until(() => updates(client).length >= second);
      // One for every second that began, however much was published in it.
      expect(updates(client).length).toBeLessThanOrEqual(second + 1);
    }
    await clock.advance(1_000);
    await until(() => updates(client).at(-1)?.values.newest === published - 1);
    expect(published).toBe(5_000);
    expect(updates(client).length).toBeLessThanOrEqual(7);
    // Each of them is the newest of every series at its time.
    const newest = updates(client).map(({ values }) => values.newest as number);
    expect(newest).toEqual([...newest].sort((a, b) => a - b));
    expect(Object.keys(updates(client).at(-1)!.values)).toHaveLength(51);
    // Ten a second for whoever says nothing.
    expect(updates(fast).length).toBeGreaterThan(30);
    expect(updates(fast).length).toBeLessThanOrEqual(62);
  });

  it("DASH-3 a reader whose socket took nothing gets the newest when it does, and nothing in between", async () => {
    const { server, clock } = await startStill({ namespaces: [dashboards({ valuesPerSecond: 0 })] });
    const load = server.dashboard("load");
    const client = await connect(server);
    await joinState(client, "load", { maxHz: 60 });
    const socket = (client.socket as unknown as { _socket: Socket })._socket;
    const wide = (value: number): Record<string, number> => ({
      n: value,
      ...Object.fromEntries(Array.from({ length: 250 }, (_, index) => [`a_series_with_a_long_name_${index}`, value])),
    });
    const stalled = async (): Promise<boolean> => /^yamabiko_readers_stalled [1-9]/m.test(await server.metrics());
    socket.pause();
    let value = 0;
    while (!(await stalled())) {
      expect(value).toBeLessThan(5_000);
      for (let turn = 0; turn < 20; turn++) {
        await load.set(wide(value++));
        await clock.advance(20);
      }
    }
    const before = value;
    for (let turn = 0; turn < 200; turn++) {
      await load.set(wide(value++));
      await clock.advance(20);
    }
    socket.resume();
    await until(async () => {
      await clock.advance(20);
      return updates(client).at(-1)?.values.n === value - 1;
    });
    const told = updates(client).map(({ values }) => values.n as number);
    // Of the 200 that came while it took nothing it was told the newest, once.
    expect(told.filter((n) => n >= before)).toEqual([value - 1]);
    expect(new Set(told).size).toBe(told.length);
  }, 90_000);
});

describe("dashboard:system", () => {
  it("DASH-5 is measured at every full second whether somebody reads it or not", async () => {
    const { server, clock } = await startStill();
    await clock.advance(350);
    for (let second = 0; second < 20; second++) await clock.advance(1_000);
    const client = await connect(server);
    const { columns, rows } = await joinState(client, "system", { last: 300 });
    expect(columns).toEqual([
      "t",
      "cpu",
      "process_cpu",
      "memory",
      "rss_mb",
      "heap_mb",
      "event_loop_ms",
      "connections",
      "rooms",
      "messages_in",
      "messages_out",
      "requests",
      "acks",
    ]);
    expect(rows.map(([t]) => t)).toEqual(Array.from({ length: 20 }, (_, index) => START + (index + 1) * 1_000));
    expect(rows.flat().every((cell) => typeof cell === "number" && Number.isFinite(cell))).toBe(true);
    await clock.advance(1_000);
    await client.next("metrics_update");
    expect(updates(client)[0]?.t).toBe(START + 21_000);
  });

  it("DASH-5 counts what the server does", async () => {
    const { server, clock } = await startStill();
    const client = await connect(server);
    await joinState(client, "system");
    await clock.advance(1_000);
    await client.next("metrics_update");
    for (let turn = 0; turn < 10; turn++) {
      await client.ask("send_message", { roomId: "lobby", content: "Hello!" }).catch(() => {});
      await fetch(`${server.url}/healthz`);
    }
    await clock.advance(1_000);
    await client.next("metrics_update");
    const { values } = updates(client).at(-1)!;
    expect(values).toMatchObject({ messages_in: 10, acks: 10, requests: 10, connections: 1 });
    expect(values.messages_out).toBeGreaterThan(0);
    expect(values.rss_mb).toBeGreaterThan(10);
    expect(values.heap_mb).toBeLessThan(values.rss_mb as number);
  });

  it("DASH-5 goes on where the clock of the machine was set back or ahead", async () => {
    const { server, clock } = await startStill();
    await clock.advance(3_000);
    clock.shiftWallClock(-7_200_000);
    await clock.advance(3_000);
    const client = await connect(server);
    const back = await joinState(client, "system", { last: 600 });
    expect(back.rows.at(-1)?.[0]).toBe(START - 7_200_000 + 6_000);
    clock.shiftWallClock(3 * 7_200_000);
    await clock.advance(2_000);
    const ahead = await joinState(client, "system", { last: 600 });
    expect(ahead.rows.at(-1)?.[0]).toBe(START + 2 * 7_200_000 + 8_000);
  });
});
