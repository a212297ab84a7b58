import { describe, expect, it } from "vitest";
import { openDashboard } from "../../../src/client/dashboard.ts";
import { createClient, type TransportName } from "../../../src/client/node.ts";
import { devToken, RawClient, until } from "../../harness.ts";
import { atEnd, START, type State, startStill, type Update } from "./world.ts";

const CLIENTS = 25;
const JOINS = 1_000;

/** Numbers that look random and come again. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

describe("joining a dashboard at any time", () => {
  it("DASH-2 gives 1,000 readers that join whenever it happens every value once, with no hole and no overlap", async () => {
    const { server, clock } = await startStill();
    const random = createRandom(20_240_101);
    const token = await devToken(server.url, "ada");
    const clients = await Promise.all(
      Array.from({ length: CLIENTS }, async () => {
        const client = new RawClient(server.wsUrl);
        await client.opened();
        client.send("authenticate", { token });
        await client.next("welcome");
        atEnd(() => client.close());
        return { client, isIn: false };
      }),
    );
    const count = server.dashboard("count");
    let joins = 0;
    let second = 0;
    await count.set({ n: 0 });
    // Nobody waits for anybody: a join arrives before, between and behind values and deliveries.
    while (joins < JOINS) {
      const chosen = clients[Math.floor(random() * CLIENTS)]!;
      if (!chosen.isIn || random() < 0.5) {
        chosen.client.send("join_room", { roomId: "dashboard:count", last: 5 }, `join-${joins}`);
        chosen.isIn = true;
        joins++;
      } else {
        chosen.client.send("leave_room", { roomId: "dashboard:count" });
        chosen.isIn = false;
      }
      const what = random();
      if (what < 0.4) {
        second++;
        await clock.advance(START + second * 1_000 - clock.now());
        await count.set({ n: second });
      } else if (what < 0.7) await clock.advance(Math.floor(random() * 60));
      else if (what < 0.85) await new Promise((resolve) => setImmediate(resolve));
    }
    await clock.advance(1_000);
    for (const { client } of clients) {
      await client.ask("ping", {}).catch(() => {});
      client.send("ping", { last: true });
    }
    await Promise.all(
      clients.map(({ client }) =>
        client.next(({ type, payload }) => type === "pong" && (payload as { last?: boolean }).last === true),
      ),
    );

    const readings = clients.flatMap(({ client }) => readingsOf(client));
    expect(readings).toHaveLength(JOINS);
    for (const values of readings) {
      expect(values.length).toBeGreaterThan(0);
      expect(values).toEqual(values.map((_, index) => values[0]! + index));
    }
    // Some joined just before a value, and some just behind one.
    expect(new Set(readings.map(({ length }) => length)).size).toBeGreaterThan(5);
  }, 60_000);

  it.each(["websocket", "sse", "long-polling", "polling"] as const satisfies readonly TransportName[])(
    "DASH-2 the client by %s has every second once, whenever it opens",
    async (transport) => {
      const { server, clock } = await startStill();
      const token = await devToken(server.url, "ada");
      const random = createRandom(transport.length);
      const count = server.dashboard("count");
      let second = 0;
      const goOn = async (): Promise<void> => {
        second++;
        await clock.advance(START + second * 1_000 - clock.now());
        await count.set({ n: second });
        await clock.advance(100);
      };
      await count.set({ n: 0 });
      const client = createClient(server.url, { token, transports: [transport], pollIntervalMs: 5 });
      atEnd(() => client.close());
      // A long poll makes a pause behind what is no event.
      const rounds = transport === "long-polling" ? 2 : 8;
      for (let round = 0; round < rounds; round++) {
        const dashboard = openDashboard(client, "count", { last: 30 });
        // The answer is under way while values come.
        for (let turn = Math.floor(random() * 4); turn > 0; turn--) await goOn();
        await until(() => dashboard.status === "live");
        for (let turn = 0; turn < 4; turn++) {
          await goOn();
          // A reader that takes longer than a second gets the newest: it must have it before the next one comes.
          await until(() => dashboard.latest("n") === second);
        }
        const { t, values } = dashboard.columns(["n"]);
        const newest = t.map((at) => (at - START) / 1_000);
        expect(values[0]!.slice(-4)).toEqual(newest.slice(-4));
        if (transport === "websocket" || transport === "sse") expect(values[0]).toEqual(newest);
        dashboard.close();
      }
    },
    60_000,
  );
});

/** What each stay in the room told of `n`, in order: the rows it began with, then the updates. */
function readingsOf(client: RawClient): number[][] {
  const readings: number[][] = [];
  let values: number[] | null = null;
  for (const { type, payload } of client.received) {
    if (type === "joined_room") {
      const { state } = payload as unknown as { state: State };
      const column = state.columns.indexOf("n");
      values = state.rows.map((row) => row[column] as number);
      readings.push(values);
    } else if (type === "left_room") values = null;
    else if (type === "metrics_update") values?.push((payload as unknown as Update).values.n as number);
  }
  return readings;
}
