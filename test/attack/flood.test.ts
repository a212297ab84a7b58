import { afterEach, describe, expect, it } from "vitest";
import { CLOSE_CODES } from "../../src/protocol/index.ts";
import { createFakeClock } from "../../src/testing/fake-clock.ts";
import { startServer, until } from "../harness.ts";
import { OPCODE, RawSocket, textFrame } from "./raw-socket.ts";

describe("floods", () => {
  let server: Awaited<ReturnType<typeof startServer>>;
  let socket: RawSocket;
  afterEach(async () => {
    socket.destroy();
    await server.close();
  });
  const pongs = () => socket.frames.filter(({ opcode }) => opcode === OPCODE.pong);
  const flood = (frame: Buffer, count: number) => socket.write(Buffer.concat(Array<Buffer>(count).fill(frame)));

  for (const [what, frame] of [
    ["messages", textFrame('{"type":"ping"}')],
    ["values that are no envelopes", textFrame("[]")],
    ["pings", RawSocket.frame(OPCODE.ping, Buffer.alloc(0))],
  ] as const) {
    it(`[case 35] [case 41] LIM-1 messagesPerSecond: one that floods us with ${what} is refused for a while, then closed with 4429`, async () => {
      server = await startServer({ clock: createFakeClock(), limits: { messagesPerSecond: 5 } });
      socket = await RawSocket.open(server.url);
      flood(frame, 100);
      flood(frame, 5_000);
      await until(() => socket.closeCode !== null);
      expect(socket.closeCode).toBe(CLOSE_CODES.too_many.code);
      // Ten times the burst of ten, at most.
      expect(socket.texts().length).toBeLessThan(130);
      expect(pongs().length).toBeLessThan(130);
      await until(() => server.connections === 0);
    });
  }

  it("LIM-1 messagesPerSecond: one that is a little too fast, for however long, is refused and stays", async () => {
    const clock = createFakeClock();
    server = await startServer({ clock, limits: { messagesPerSecond: 5 } });
    socket = await RawSocket.open(server.url);
    for (let second = 0; second < 60; second++) {
      const before = socket.texts().length;
      flood(textFrame('{"type":"ping"}'), 9);
      await until(() => socket.texts().length >= before + 9);
      await clock.advance(1_000);
    }
    expect(socket.closeCode).toBeNull();
    expect(socket.texts().some(({ type }) => type === "error")).toBe(true);
  });

  it("HB-1: of many pings in one turn the newest is answered", async () => {
    server = await startServer();
    socket = await RawSocket.open(server.url);
    const pings = Array.from({ length: 1_000 }, (_, index) => RawSocket.frame(OPCODE.ping, Buffer.from(`p${index}`)));
    socket.write(Buffer.concat(pings));
    await until(() => pongs().at(-1)?.payload.toString() === "p999");
    expect(pongs().length).toBeLessThan(100);
    socket.write(RawSocket.frame(OPCODE.ping, Buffer.from("one more")));
    await until(() => pongs().at(-1)?.payload.toString() === "one more");
  });
});
