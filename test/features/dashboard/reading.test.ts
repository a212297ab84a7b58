import { describe, expect, it } from "vitest";
import { until } from "../../harness.ts";
import { EventFrames } from "../../transports/event-frames.ts";
import { ask, atEnd, connect, joinState, START, type State, startStill, updates } from "./world.ts";

describe("reading a dashboard", () => {
  it("DASH-1 begins with the newest slots as columns, and the newest value of each series", async () => {
    const { server, clock } = await startStill();
    const shop = server.dashboard("shop");
    await shop.set({ orders: 1 });
    await clock.advance(1_500);
    await shop.set({ orders: 2, revenue: 10 });
    await clock.advance(2_000);
    await shop.set({ orders: null });
    const state = await joinState(await connect(server), "shop", { last: 300 });
    expect(state).toEqual({
      resolution: "1s",
      columns: ["t", "orders", "revenue"],
      // The second of the gap has nothing else, and is left out.
      rows: [
        [START, 1, null],
        [START + 1_000, 2, 10],
      ],
      latest: { orders: [START + 3_500, null], revenue: [START + 1_500, 10] },
    });
  });

  it("DASH-1 goes back as far as is asked, and 60 slots where nothing is", async () => {
    const { server, clock } = await startStill();
    for (let second = 0; second < 100; second++) {
      await server.dashboard("shop").set({ orders: second });
      await clock.advance(1_000);
    }
    const client = await connect(server);
    expect((await joinState(client, "shop")).rows).toHaveLength(60);
    expect((await joinState(client, "shop", { last: 3 })).rows.map(([, orders]) => orders)).toEqual([97, 98, 99]);
    expect((await joinState(client, "shop", { last: 0 })).rows).toEqual([]);
    expect((await joinState(client, "nothing-there")).columns).toEqual(["t"]);
  });

  it("DASH-1 goes less far back where there are many series", async () => {
    const { server, clock } = await startStill();
    const values = Object.fromEntries(Array.from({ length: 255 }, (_, index) => [`s${index}`, index]));
    for (let second = 0; second < 300; second++) {
      await server.dashboard("wide").set(values);
      await clock.advance(1_000);
    }
    const state = await joinState(await connect(server), "wide", { last: 300 });
    expect(state.rows.length).toBeGreaterThan(150);
    expect(state.rows.length * state.columns.length).toBeLessThanOrEqual(50_000);
    expect(state.rows.at(-1)?.[0]).toBe(START + 299_000);
  });

  it.each([{ last: 1_441 }, { last: -1 }, { last: "5" }, { resolution: "2s" }, { maxHz: 61 }, { maxHz: 0 }])(
    "DASH-1 a join with %j is refused, and the connection lives",
    async (more) => {
      const { server } = await startStill();
      const client = await connect(server);
      const ack = await client.ask("join_room", { roomId: "dashboard:shop", ...more });
      expect(ack.error?.code).toBe("invalid_message");
      expect((await joinState(client, "shop")).rows).toEqual([]);
    },
  );

  it("DASH-4 roll-ups are the mean, the lowest and the highest of the seconds, and go on with the updates", async () => {
    const { server, clock } = await startStill();
    for (let second = 0; second < 25; second++) {
      await server.dashboard("shop").set({ orders: second });
      await clock.advance(1_000);
    }
    const client = await connect(server);
    const state = await joinState(client, "shop", { resolution: "10s", last: 10 });
    expect(state).toMatchObject({
      resolution: "10s",
      rows: [
        [START, 4.5],
        [START + 10_000, 14.5],
      ],
      min: [[0], [10]],
      max: [[9], [19]],
    });
    expect(state.recent).toEqual([20, 21, 22, 23, 24].map((second) => [START + second * 1_000, second]));
    await server.dashboard("shop").set({ orders: 25 });
    await clock.advance(200);
    await client.next("metrics_update");
    expect(updates(client).map(({ values }) => values)).toEqual([{ orders: 25 }]);
    const minutes = await joinState(client, "shop", { resolution: "1m", last: 10 });
    expect(minutes.rows).toEqual([]);
    expect(minutes.recent).toHaveLength(26);
  });

  it("DASH-4 a second holds the last value that was set in it, and 600 of them are kept", async () => {
    const { server, clock } = await startStill();
    for (let half = 0; half < 1_300; half++) {
      await server.dashboard("shop").set({ orders: half });
      await clock.advance(500);
    }
    const { rows } = await joinState(await connect(server), "shop", { last: 1_440 });
    expect(rows).toHaveLength(600);
    expect(rows.at(-1)).toEqual([START + 649_000, 1_299]);
    expect(rows[0]).toEqual([START + 50_000, 101]);
  });

  it("DASH-2 values that are of another second than the newest come with their own time", async () => {
    const { server, clock } = await startStill();
    const client = await connect(server);
    await joinState(client, "shop", { maxHz: 0.5 });
    await server.dashboard("shop").set({ orders: 0 });
    await client.next("metrics_update");
    await server.dashboard("shop").set({ orders: 1 });
    await clock.advance(1_000);
    await server.dashboard("shop").set({ revenue: 2 });
    await clock.advance(1_000);
    await client.next("metrics_update");
    expect(updates(client).at(-1)).toEqual({
      t: START + 1_000,
      values: { orders: 1, revenue: 2 },
      times: { orders: START },
    });
  });

  it("DASH-8 is JSON for whoever asks now and then, with a tag", async () => {
    const { server, clock } = await startStill();
    await server.dashboard("shop").set({ orders: 12 });
    const first = await ask(server, "/api/dashboards/shop?last=5", { user: "ada" });
    expect(first).toMatchObject({
      status: 200,
      body: { name: "shop", columns: ["t", "orders"], rows: [[START, 12]], resolution: "1s" },
    });
    const known = { "If-None-Match": first.headers.get("ETag") ?? "" };
    expect((await ask(server, "/api/dashboards/shop?last=5", { user: "ada", headers: known })).status).toBe(304);
    await clock.advance(1_000);
    await server.dashboard("shop").set({ orders: 13 });
    const second = await ask(server, "/api/dashboards/shop?last=1&resolution=1s", { user: "ada", headers: known });
    expect(second.body.rows).toEqual([[START + 1_000, 13]]);
    const asked = await ask(server, "/api/dashboards", { user: "ada" });
    expect(asked.body.dashboards).toContainEqual({ name: "shop", series: 1, updatedAt: START + 1_000 });
    for (const query of ["last=x", "last=1441", "resolution=2s", "last=-1"]) {
      const refused = await ask(server, `/api/dashboards/shop?${query}`, { user: "ada" });
      expect(refused.status).toBe(400);
    }
  });

  it("DASH-1 comes to a plain EventSource, and again after it dropped", async () => {
    const { server, clock } = await startStill();
    await server.dashboard("shop").set({ orders: 1 });
    const open = async (headers: Record<string, string> = {}) => {
      const stopping = new AbortController();
      atEnd(() => stopping.abort());
      const response = await fetch(`${server.url}/api/events?roomId=dashboard:shop&last=60&maxHz=1`, {
        headers,
        signal: stopping.signal,
      });
      const frames = new EventFrames();
      const reading = (async () => {
        for await (const chunk of response.body!) frames.read(new TextDecoder().decode(chunk as Uint8Array));
      })().catch(() => {});
      const next = async (event: string) => {
        await until(() => frames.frames.some((frame) => frame.event === event));
        return JSON.parse(frames.frames.find((frame) => frame.event === event)!.data).payload;
      };
      const drop = (): Promise<void> => {
        stopping.abort();
        return reading;
      };
      return { next, drop };
    };
    const first = await open();
    const joined = (await first.next("joined_room")) as { state: State; cursor: string };
    expect(joined.state.rows).toEqual([[START, 1]]);
    await clock.advance(1_000);
    await server.dashboard("shop").set({ orders: 2 });
    expect(await first.next("metrics_update")).toEqual({ t: START + 1_000, values: { orders: 2 } });
    await first.drop();
    await clock.advance(1_000);
    await server.dashboard("shop").set({ orders: 3 });
    const again = await open({ "Last-Event-ID": joined.cursor });
    const { state } = (await again.next("room_state")) as { state: State };
    expect(state.rows.map(([, orders]) => orders)).toEqual([1, 2, 3]);
  });

  it("DASH-1 is the state of a short poll and of a long one, which newer values end", async () => {
    const { server, clock } = await startStill();
    await server.dashboard("shop").set({ orders: 1 });
    const query = "roomId=dashboard:shop&state=1&last=2";
    const first = await ask(server, `/api/messages?${query}`, { user: "ada" });
    const stateOf = ({ body }: typeof first) => (body.state as Record<string, State>)["dashboard:shop"]!;
    expect(stateOf(first).rows).toEqual([[START, 1]]);
    const after = encodeURIComponent(String(first.body.cursor));
    const waiting = ask(server, `/api/messages/wait?${query}&after=${after}`, { user: "ada" });
    await clock.advance(1_000);
    await server.dashboard("shop").set({ orders: 2 });
    expect(stateOf(await waiting).rows).toEqual([
      [START, 1],
      [START + 1_000, 2],
    ]);
  });
});
