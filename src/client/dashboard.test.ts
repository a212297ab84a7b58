import { afterEach, describe, expect, it, vi } from "vitest";
import { type Dashboard, type DashboardOptions, openDashboard } from "./dashboard.ts";
import { createFixture, type Fixture } from "./fixture.test-support.ts";

/** A full minute. */
const T = Date.UTC(2025, 0, 1, 12, 0, 0);
const ROOM = "dashboard:shop";

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

async function follow(options: DashboardOptions = {}): Promise<Fixture & { dashboard: Dashboard }> {
  const fixture = await createFixture();
  await fixture.welcome();
  const dashboard = openDashboard(fixture.client, "shop", options);
  return { ...fixture, dashboard };
}

function answer(f: Fixture, state: object): void {
  f.joined(ROOM, "k:0", { state });
}

function update(f: Fixture, payload: object): void {
  f.network.socket.receive({ type: "metrics_update", payload, roomId: ROOM, timestamp: "2025-01-01T12:00:00.000Z" });
}

const seconds = (from: number, ...values: (number | null)[]) => ({
  resolution: "1s",
  columns: ["t", "a"],
  rows: values.map((value, index) => [T + (from + index) * 1_000, value]),
  latest: { a: [T + (from + values.length - 1) * 1_000, values.at(-1)] },
});

const joins = (f: Fixture) => f.take().filter(({ type }) => type === "join_room");

/** A page that can be hidden. */
class FakeDocument extends EventTarget {
  visibilityState: "visible" | "hidden" = "visible";

  look(state: "visible" | "hidden"): void {
    this.visibilityState = state;
    this.dispatchEvent(new Event("visibilitychange"));
  }
}

describe("a dashboard that is followed", () => {
  it("asks for its past, fills it in, and goes on with what comes", async () => {
    const f = await follow({ last: 5, maxHz: 2 });
    expect(f.dashboard.status).toBe("joining");
    expect(joins(f)[0]?.payload).toEqual({ roomId: ROOM, last: 5, resolution: "1s", maxHz: 2 });
    let told = 0;
    f.dashboard.onUpdate(() => told++);
    answer(f, seconds(0, 1, 2, null, 4));
    expect([f.dashboard.status, told]).toEqual(["live", 1]);
    update(f, { t: T + 4_500, values: { a: 5 } });
    update(f, { t: T + 4_900, values: { a: 6, b: 1 } });
    expect(f.dashboard.columns()).toMatchObject({
      t: [0, 1, 2, 3, 4].map((second) => T + second * 1_000),
      values: [
        [1, 2, null, 4, 6],
        [null, null, null, null, 1],
      ],
    });
    expect(f.dashboard.series).toEqual(["a", "b"]);
    expect([f.dashboard.latest("a"), f.dashboard.latest("b"), f.dashboard.latest("c")]).toEqual([6, 1, null]);
    expect(f.dashboard.updatedAt).toBe(T + 4_900);
    expect(f.dashboard.columns(["b", "no"], 2)).toMatchObject({
      t: [T + 3_000, T + 4_000],
      values: [
        [null, 1],
        [null, null],
      ],
    });
    expect(told).toBe(3);
  });

  it("puts values that are of an earlier second where they belong, and gaps where there is nothing", async () => {
    const f = await follow({ last: 10 });
    answer(f, seconds(0, 1));
    update(f, { t: T + 3_000, values: { a: 2, b: 7 }, times: { a: T + 1_000 } });
    update(f, { t: T + 4_000, values: { a: null } });
    expect(f.dashboard.columns(["a", "b"]).values).toEqual([
      [1, 2, null, null, null],
      [null, null, null, 7, null],
    ]);
    expect(f.dashboard.latest("a")).toBeNull();
  });

  it("keeps no more than was asked for, however long it goes on", async () => {
    const f = await follow({ last: 30 });
    answer(f, seconds(0, 1));
    for (let second = 1; second < 5_000; second++) update(f, { t: T + second * 1_000, values: { a: second } });
    const { t, values } = f.dashboard.columns();
    expect([t.length, values[0]?.length]).toEqual([30, 30]);
    expect(values[0]).toEqual(Array.from({ length: 30 }, (_, index) => 4_970 + index));
    // Series that come and go do not pile up either.
    for (let second = 5_000; second < 6_000; second++)
      update(f, { t: T + second * 1_000, values: { [`s${second}`]: 1 } });
    expect(f.dashboard.series.length).toBeLessThanOrEqual(300);
  });

  it("fills the hole after a drop, and keeps what a server that was started anew no longer has", async () => {
    const f = await follow({ last: 10 });
    answer(f, seconds(0, 0, 1, 2));
    f.client.cut();
    expect(f.dashboard.status).toBe("joining");
    await f.clock.advance(2_000);
    f.take();
    await f.welcome();
    answer(f, seconds(4, 4, 5));
    expect(f.dashboard.columns().values).toEqual([[0, 1, 2, null, 4, 5]]);
    f.client.cut();
    await f.clock.advance(2_000);
    await f.welcome();
    answer(f, seconds(2, 2, 3, 4, 5, 6));
    update(f, { t: T + 7_000, values: { a: 7 } });
    expect(f.dashboard.columns().values).toEqual([[0, 1, 2, 3, 4, 5, 6, 7]]);
  });

  it("takes the whole anew where the server tells it by `room_state`", async () => {
    const f = await follow({ last: 10 });
    answer(f, seconds(0, 0));
    f.network.socket.receive({ type: "room_state", roomId: ROOM, payload: { roomId: ROOM, state: seconds(1, 1, 2) } });
    expect(f.dashboard.columns().values).toEqual([[0, 1, 2]]);
  });

  it("folds what comes into roll-ups as the server does", async () => {
    const f = await follow({ last: 6, resolution: "10s" });
    expect(joins(f)[0]?.payload).toMatchObject({ last: 6, resolution: "10s" });
    answer(f, {
      resolution: "10s",
      columns: ["t", "a"],
      rows: [
        [T, 5],
        [T + 10_000, null],
      ],
      min: [[1], [null]],
      max: [[9], [null]],
      recent: [[T + 20_000, 2]],
      latest: { a: [T + 20_000, 2] },
    });
    update(f, { t: T + 21_000, values: { a: 4 } });
    expect(f.dashboard.columns()).toEqual({
      t: [T, T + 10_000, T + 20_000],
      values: [[5, null, 3]],
      min: [[1, null, 2]],
      max: [[9, null, 4]],
    });
    update(f, { t: T + 30_000, values: { a: 1 } });
    expect(f.dashboard.columns().values).toEqual([[5, null, 3, 1]]);
  });

  it("leaves while the page is hidden, and is back with what it missed", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const page = new FakeDocument();
    vi.stubGlobal("document", page);
    const f = await follow({ last: 10 });
    answer(f, seconds(0, 0));
    page.look("hidden");
    vi.advanceTimersByTime(4_000);
    page.look("visible");
    vi.advanceTimersByTime(60_000);
    expect(f.dashboard.status).toBe("live");
    page.look("hidden");
    vi.advanceTimersByTime(5_000);
    expect(f.dashboard.status).toBe("paused");
    expect(f.take().map(({ type }) => type)).toContain("leave_room");
    page.look("visible");
    expect(joins(f)).toHaveLength(1);
    answer(f, seconds(0, 0, 1, 2, 3));
    expect([f.dashboard.status, f.dashboard.columns().values]).toEqual(["live", [[0, 1, 2, 3]]]);
  });

  it("stays where it shall, also when the page is hidden", async () => {
    const page = new FakeDocument();
    vi.stubGlobal("document", page);
    const f = await follow({ hiddenAfterMs: null });
    answer(f, seconds(0, 0));
    page.look("hidden");
    await new Promise((resolve) => setImmediate(resolve));
    expect(f.dashboard.status).toBe("live");
  });

  it("pauses, resumes and ends", async () => {
    const page = new FakeDocument();
    vi.stubGlobal("document", page);
    const f = await follow();
    answer(f, seconds(0, 0));
    f.dashboard.pause();
    page.look("visible");
    expect([f.dashboard.status, f.dashboard.latest("a")]).toEqual(["paused", 0]);
    f.take();
    f.dashboard.resume();
    f.dashboard.resume();
    expect(joins(f)).toHaveLength(1);
    answer(f, seconds(0, 0, 1));
    let told = 0;
    const stop = f.dashboard.onUpdate(() => told++);
    stop();
    update(f, { t: T + 2_000, values: { a: 2 } });
    expect(told).toBe(0);
    f.dashboard.close();
    f.dashboard.resume();
    page.look("visible");
    expect([f.dashboard.status, joins(f)]).toEqual(["closed", []]);
  });

  it("says why it was refused", async () => {
    const f = await follow();
    f.refuse(joins(f)[0]?.messageId, { code: "access_denied" });
    expect([f.dashboard.status, f.dashboard.error?.code]).toEqual(["failed", "access_denied"]);
  });
});
