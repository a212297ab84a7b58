import { afterAll, describe, expect, it, vi } from "vitest";
import type { Notice } from "../../src/bus/bus.ts";
import { createPostgresBus } from "../../src/bus/postgres.ts";
import { nullLinkEvents } from "../../src/link/link.ts";
import { busContract } from "../../src/testing/bus-contract.ts";
import { PostgresServer } from "../support/postgres-server.ts";

const server = await PostgresServer.start();
afterAll(() => server.stop());
const url = server.url();

busContract("postgres", async () => ({
  here: await createPostgresBus({ url }),
  there: await createPostgresBus({ url }),
}));

describe("a PostgreSQL bus", () => {
  const event = (seq: number): Notice => ({ kind: "event", from: "here", epoch: "e", seq });

  it("listens again after the connection was lost", { timeout: 60_000 }, async () => {
    const here = await createPostgresBus({ url });
    const there = await createPostgresBus({ url });
    const heard: Notice[] = [];
    there.subscribe("chat:a", (notice) => heard.push(notice));
    const ring = (seq: number) =>
      vi.waitFor(
        () => {
          here.publish("chat:a", event(seq));
          expect(heard.at(-1)).toMatchObject({ seq });
        },
        { timeout: 20_000, interval: 10 },
      );
    await ring(1);
    const resumed = vi.fn();
    there.onResumed!(resumed);
    await server.kill();
    there.subscribe("chat:b", () => {});
    await server.start();
    await vi.waitFor(() => expect(resumed).toHaveBeenCalledOnce(), { timeout: 20_000 });
    await ring(2);
    await Promise.all([here.close(), there.close()]);
  });

  it("lets what was published leave before it closes", async () => {
    const here = await createPostgresBus({ url });
    const there = await createPostgresBus({ url });
    const heard: Notice[] = [];
    there.subscribe("chat:last", (notice) => heard.push(notice));
    await vi.waitFor(() => {
      here.publish("chat:last", event(1));
      expect(heard.length).toBeGreaterThan(0);
    });
    here.publish("chat:last", event(2));
    await here.close();
    await vi.waitFor(() => expect(heard.at(-1)).toMatchObject({ seq: 2 }));
    await there.close();
  });

  it("leaves out the events a notice carries where they are too large for it", async () => {
    const dropped = vi.fn();
    const here = await createPostgresBus({ url, events: { ...nullLinkEvents, dropped } });
    const heard: Notice[] = [];
    here.subscribe("chat:a", (notice) => heard.push(notice));
    const carried = (data: string) => ({ seq: 1, type: "x", sender: null, messageId: null, timestamp: 1, data });
    const small = { ...event(1), events: [carried("1")] } as Notice;
    await vi.waitFor(() => {
      here.publish("chat:a", small);
      expect(heard[0]).toEqual(small);
    });
    here.publish("chat:a", { ...event(2), events: [carried(`"${"ü".repeat(4_000)}"`)] } as Notice);
    await vi.waitFor(() => expect(heard.at(-1)).toEqual(event(2)));
    expect(dropped).not.toHaveBeenCalled();
    await here.close();
  });

  it("does not bring what is too large, and says so", async () => {
    const dropped = vi.fn();
    const here = await createPostgresBus({ url, events: { ...nullLinkEvents, dropped } });
    const heard: Notice[] = [];
    here.subscribe("chat:a", (notice) => heard.push(notice));
    const large = { type: "wave", payload: { text: "ü".repeat(4_000) } };
    here.publish("chat:a", { kind: "signal", from: "here", envelope: large });
    expect(dropped).toHaveBeenCalledOnce();
    await vi.waitFor(() => {
      here.publish("chat:a", event(1));
      expect(heard.length).toBeGreaterThan(0);
    });
    expect(heard.every((notice) => notice.kind === "event")).toBe(true);
    await here.close();
  });
});
