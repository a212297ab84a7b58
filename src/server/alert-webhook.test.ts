import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createFakeClock, type FakeClock } from "../testing/fake-clock.ts";
import { type AlertWebhook, createAlertWebhook } from "./alert-webhook.ts";

describe("the webhook of alerts", () => {
  let receiver: Server;
  let clock: FakeClock;
  let webhook: AlertWebhook;
  let got: unknown[];
  let lost: string[];
  let statuses: number[];
  let authorizations: (string | undefined)[];

  beforeEach(async () => {
    got = [];
    lost = [];
    statuses = [];
    authorizations = [];
    clock = createFakeClock();
    receiver = createServer((request, response) => {
      let body = "";
      request.setEncoding("utf8").on("data", (chunk: string) => {
        body += chunk;
      });
      request.on("end", () => {
        const status = statuses.shift() ?? 200;
        got.push(JSON.parse(body));
        authorizations.push(request.headers.authorization);
        response.writeHead(status, status === 302 ? { Location: "http://192.0.2.1/" } : {}).end("thanks");
      });
    }).listen(0, "127.0.0.1");
    await once(receiver, "listening");
    const { port } = receiver.address() as AddressInfo;
    webhook = createAlertWebhook({
      url: `http://127.0.0.1:${port}/hook`,
      clock,
      onLost: (reason) => lost.push(reason),
    });
  });

  afterEach(() => {
    webhook.close();
    receiver.close();
    receiver.closeAllConnections();
  });

  it.each([
    ["operator:p%40ss", "operator:p@ss"],
    ["operator:100%", "operator:100%"],
  ])("shows the name and the password that its address holds: %s", async (held, shown) => {
    const { port } = receiver.address() as AddressInfo;
    const guarded = createAlertWebhook({
      url: `http://${held}@127.0.0.1:${port}/hook`,
      clock,
      onLost: (reason) => lost.push(reason),
    });
    guarded.send({ count: 1 });
    await vi.waitFor(() => expect([got, guarded.waiting]).toEqual([[{ count: 1 }], 0]));
    expect(authorizations).toEqual([`Basic ${Buffer.from(shown).toString("base64")}`]);
    guarded.close();
  });

  it("posts alerts as JSON, in their order", async () => {
    for (const number of [1, 2, 3]) webhook.send({ number });
    expect(webhook.waiting).toBe(3);
    await vi.waitFor(() => expect(webhook.waiting).toBe(0));
    expect(got).toEqual([{ number: 1 }, { number: 2 }, { number: 3 }]);
    expect(lost).toEqual([]);
  });

  it("tries again what was not taken, later each time, and follows no redirect", async () => {
    statuses = [503, 302, 200];
    webhook.send({ number: 1 });
    await vi.waitFor(() => expect(clock.pendingTimers).toBe(1));
    await clock.advance(999);
    expect(got).toHaveLength(1);
    await clock.advance(1);
    await vi.waitFor(() => expect(got).toHaveLength(2));
    await vi.waitFor(() => expect(clock.pendingTimers).toBe(1));
    await clock.advance(2_000);
    await vi.waitFor(() => expect(webhook.waiting).toBe(0));
    expect(got).toHaveLength(3);
    expect(lost).toEqual([]);
  });

  it("gives an alert up after six tries, and says why without the address", async () => {
    statuses = [500, 500, 500, 500, 500, 500];
    webhook.send({ number: 1 });
    webhook.send({ number: 2 });
    for (let attempt = 1; attempt < 6; attempt++) {
      await vi.waitFor(() => expect(clock.pendingTimers).toBe(1));
      await clock.advance(60_000);
    }
    await vi.waitFor(() => expect(webhook.waiting).toBe(0));
    expect(lost).toEqual(["it answered 500"]);
    expect(got.at(-1)).toEqual({ number: 2 });
  });

  it("keeps a hundred at most, the newest", async () => {
    statuses = [500];
    for (let number = 0; number < 150; number++) webhook.send({ number });
    expect(webhook.waiting).toBe(100);
    expect(lost).toHaveLength(50);
    await vi.waitFor(() => expect(clock.pendingTimers).toBe(1));
    await clock.advance(1_000);
    await vi.waitFor(() => expect(webhook.waiting).toBe(0));
    expect(got.at(-1)).toEqual({ number: 149 });
  });

  it("lets go of everything when it is closed", async () => {
    statuses = [500];
    webhook.send({ number: 1 });
    await vi.waitFor(() => expect(clock.pendingTimers).toBe(1));
    webhook.close();
    webhook.send({ number: 2 });
    expect(webhook.waiting).toBe(0);
    expect(clock.pendingTimers).toBe(0);
  });
});
