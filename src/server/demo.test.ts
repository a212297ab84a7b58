import { afterEach, describe, expect, it, vi } from "vitest";
import { RawClient, startServer } from "../../test/harness.ts";
import { createTicker, TICKER_ROOM, type Ticker } from "./demo.ts";

type Started = Awaited<ReturnType<typeof startServer>>;

describe("the ticker of the playground", () => {
  let server: Started;
  let ticker: Ticker;

  const start = async (): Promise<void> => {
    ticker = createTicker({ room: () => server.room(TICKER_ROOM) });
    server = await startServer({ namespaces: [ticker.namespace] });
  };
  const look = async (user: string): Promise<RawClient> => {
    const client = await RawClient.open(server, user);
    client.send("join_room", { roomId: TICKER_ROOM }, "join");
    await client.next("joined_room");
    return client;
  };

  afterEach(async () => {
    ticker.close();
    await server.close();
  });

  it("runs while somebody looks, once however many do, and stops when nobody is left", async () => {
    await start();
    expect(ticker.isRunning).toBe(false);
    const clients = await Promise.all(["a", "b", "c"].map(look));
    expect(ticker.isRunning).toBe(true);
    const first = clients[0] as RawClient;
    first.send("set_rate", { roomId: TICKER_ROOM, perSecond: 20 }, "rate");
    for (const client of clients) {
      const told = await client.next("rate_changed");
      expect(told.payload).toMatchObject({ perSecond: 20 });
    }
    const { payload } = (await first.next("price")) as { payload: Record<string, unknown> };
    expect(payload).toMatchObject({ symbol: expect.any(String), price: expect.any(Number) });
    expect(Math.abs(Number(payload.at) - Date.now())).toBeLessThan(2_000);
    const view = await server.room(TICKER_ROOM).view();
    const [from, startedAt] = [view.head, performance.now()];
    await vi.waitUntil(() => view.head - from >= 20, { timeout: 10_000, interval: 5 });
    // Three tickers would need a third of it.
    expect(performance.now() - startedAt).toBeGreaterThan(600);
    for (const client of clients) client.socket.close();
    await vi.waitUntil(() => !ticker.isRunning, { timeout: 25_000 });
  });

  it("pauses at 0, tells whoever comes the rate, and takes no rate above 60", async () => {
    await start();
    const a = await look("a");
    a.send("set_rate", { roomId: TICKER_ROOM, perSecond: 0 }, "rate");
    await a.next("rate_changed");
    const b = await RawClient.open(server, "b");
    b.send("join_room", { roomId: TICKER_ROOM }, "join");
    expect((await b.next("joined_room")).payload).toMatchObject({ state: { rate: { perSecond: 0 } } });
    a.send("set_rate", { roomId: TICKER_ROOM, perSecond: 61 }, "more");
    const refusal = await a.next(({ type, messageId }) => type === "ack" && messageId === "more");
    expect(refusal.payload).toMatchObject({ success: false, error: { code: "invalid_message" } });
    a.send("compare_clocks", { roomId: TICKER_ROOM }, "clock");
    const clock = await a.next(({ type, messageId }) => type === "ack" && messageId === "clock");
    expect(Math.abs((clock.payload as unknown as { now: number }).now - Date.now())).toBeLessThan(2_000);
    a.socket.terminate();
    b.socket.terminate();
  });

  it("lets nobody into another room of its namespace", async () => {
    await start();
    const a = await RawClient.open(server, "a");
    a.send("join_room", { roomId: "demo:other" }, "join");
    const refusal = await a.next(({ type, messageId }) => type === "ack" && messageId === "join");
    expect(refusal.payload).toMatchObject({ success: false, error: { code: "access_denied" } });
    a.socket.terminate();
  });
});
