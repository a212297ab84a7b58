import { describe, expect, it, vi } from "vitest";
import type { Closing } from "./closing.ts";
import { nullObserver, type Observer } from "./observer.ts";
import { createTally } from "./tally.ts";

describe("a tally", () => {
  it("counts what happens, and hands everything on", () => {
    const told = Object.fromEntries(
      Object.entries(nullObserver).map(([name, does]) => [name, vi.fn(does)]),
    ) as unknown as Observer;
    const { observer, totals } = createTally(told);
    const ended: Closing = {
      transport: "sse",
      reason: "aborted",
      isDraining: false,
      isBehind: false,
      ageMs: 1,
      address: null,
      connectionId: "1",
      userId: null,
    };
    observer.connectionOpened("websocket");
    observer.connectionOpened("sse");
    observer.connectionClosed(ended);
    observer.requested();
    observer.messageReceived(10);
    observer.acknowledged("done");
    observer.delivered(7, 100);
    observer.failure("here", null);
    expect(totals).toEqual({ received: 1, delivered: 7, acks: 1, requests: 1, connections: 1 });
    expect(told.delivered).toHaveBeenCalledWith(7, 100);
    expect(told.connectionClosed).toHaveBeenCalledWith(ended);
    expect(told.requested).toHaveBeenCalledOnce();
    expect(told.acknowledged).toHaveBeenCalledWith("done");
    expect(told.messageReceived).toHaveBeenCalledWith(10);
    expect(told.failure).toHaveBeenCalledWith("here", null);
  });
});
