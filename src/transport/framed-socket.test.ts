import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type CloseReason, nullObserver } from "../observe/observer.ts";
import { resolveLimits } from "../protocol/index.ts";
import { Fanout } from "../room/fanout.ts";
import { createFakeClock, type FakeClock } from "../testing/fake-clock.ts";
import { FramedSocket } from "./framed-socket.ts";
import { Slices } from "./slices.ts";

const ANSWER = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
/** More than the system takes while nobody reads. */
const OWED = { count: 400, bytes: 16 * 1024 };

/** Notes how it ended. */
class Noted extends FramedSocket {
  ended: CloseReason | null = null;

  received(): void {}

  pinged(): void {}

  protected gone(reason: CloseReason): void {
    this.ended = reason;
  }

  protected wake(): void {}
}

describe("a socket that speaks in frames", () => {
  let server: Server;
  let near: Socket;
  let far: Socket;
  let clock: FakeClock;
  let framed: Noted;

  beforeEach(async () => {
    // As those of an HTTP server: each side ends for itself.
    server = createServer({ pauseOnConnect: true, allowHalfOpen: true }).listen(0, "127.0.0.1");
    await once(server, "listening");
    far = connect({ port: (server.address() as AddressInfo).port, host: "127.0.0.1", allowHalfOpen: true });
    [near] = (await once(server, "connection")) as [Socket];
    near.on("error", () => {});
    far.on("error", () => {});
    clock = createFakeClock();
    const observer = nullObserver;
    const limits = resolveLimits({}, false);
    const parts = { fanout: new Fanout(observer), intake: new Slices(5), limits, clock, observer };
    framed = new Noted(near, parts, { messageBytes: 1024, deflated: false });
    framed.begin(ANSWER, Buffer.alloc(0));
    near.resume();
  });

  afterEach(() => {
    near.destroy();
    far.destroy();
    server.close();
  });

  function fill(): void {
    for (let count = 0; count < OWED.count; count++) framed.deliver(Buffer.alloc(OWED.bytes));
  }

  it("is gone half a minute after the other side ended, though that never reads what it is owed", async () => {
    const ended = once(near, "end");
    fill();
    far.end();
    await ended;
    await clock.advance(29_000);
    expect(near.destroyed).toBe(false);
    await clock.advance(2_000);
    expect(near.destroyed).toBe(true);
    await vi.waitFor(() => expect(framed.ended).toBe("aborted"));
  });

  it("gives the other side all it was owed when that ended, as long as it goes on reading", async () => {
    let bytes = 0;
    far.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
    });
    fill();
    far.end();
    await vi.waitFor(() => expect(framed.ended).toBe("aborted"), 5_000);
    // What the system holds may still be on its way.
    await vi.waitFor(() => expect(bytes).toBe(ANSWER.length + OWED.count * OWED.bytes), 5_000);
  });
});
