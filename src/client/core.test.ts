import { describe, expect, it } from "vitest";
import { createFakeClock } from "../testing/fake-clock.ts";
import { createFakeNetwork } from "../testing/fake-socket.ts";
import * as core from "./core.ts";
import * as whole from "./index.ts";

describe("yamabiko/client/core", () => {
  it("has the names of yamabiko/client", () => {
    expect(Object.keys(core).sort()).toEqual(Object.keys(whole).sort());
  });

  it("knows the WebSocket alone, whatever `transports` says", async () => {
    const clock = createFakeClock();
    const network = createFakeNetwork();
    const asked: unknown[] = [];
    const client = core.createClient("ws://server.test/ws", {
      WebSocket: network.WebSocket,
      clock,
      transports: ["sse"],
      fetch: (url) => {
        asked.push(url);
        return Promise.reject(new Error("no"));
      },
    });
    await clock.flush();
    network.socket.serverClose(1006);
    await clock.advance(60_000);
    expect([client.transport, asked]).toEqual(["websocket", []]);
    expect(network.sockets.length).toBeGreaterThan(1);
    client.close();
    expect(clock.pendingTimers).toBe(0);
  });
});
