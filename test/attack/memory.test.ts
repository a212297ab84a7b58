import { afterEach, describe, expect, it } from "vitest";
import { defineNamespace } from "../../src/session/namespace.ts";
import { RawClient, startServer, until } from "../harness.ts";

const ROOMS = 100;
const ANSWER_BYTES = 500_000;

describe("what a client that does not read costs", () => {
  let server: Awaited<ReturnType<typeof startServer>>;
  afterEach(() => server.close());

  it("RES-5: big answers are made a few at a time, over all rooms, and none for one that does not take them", async () => {
    let running = 0;
    let most = 0;
    let done = 0;
    server = await startServer({
      namespaces: [
        defineNamespace({
          name: "big",
          messages: {
            ask: {
              joined: false,
              handle: async () => {
                most = Math.max(most, ++running);
                await new Promise((resolve) => setTimeout(resolve, 5));
                running--;
                done++;
                return { text: "x".repeat(ANSWER_BYTES) };
              },
            },
          },
        }),
      ],
    });
    const ada = await RawClient.open(server, "ada");
    const ben = await RawClient.open(server, "ben");
    ada.socket.pause();
    for (let room = 0; room < ROOMS; room++) ada.send("ask", { roomId: `big:${room}` }, `m${room}`);
    // What the machine's own buffers take is the machine's; the rest waits as a question, not as an answer.
    let before = -1;
    await until(async () => {
      const isStill = done > 0 && done === before && running === 0;
      before = done;
      await new Promise((resolve) => setTimeout(resolve, 200));
      return isStill;
    });
    expect(most).toBeLessThanOrEqual(8);
    expect(done).toBeLessThan(ROOMS / 2);
    expect(await ben.ask("ping", {})).toMatchObject({ success: true });
    ada.socket.resume();
    await until(() => ada.received.filter(({ type }) => type === "ack").length === ROOMS);
    expect(done).toBe(ROOMS);
  });

  it("one that goes while its questions wait leaves nothing behind", async () => {
    let started = 0;
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    server = await startServer({
      namespaces: [
        defineNamespace({
          name: "big",
          messages: {
            ask: {
              joined: false,
              handle: async () => {
                started++;
                await gate;
              },
            },
          },
        }),
      ],
    });
    const ada = await RawClient.open(server, "ada");
    for (let room = 0; room < 20; room++) ada.send("ask", { roomId: `big:${room}` }, `m${room}`);
    await until(() => started === 8);
    ada.close();
    await until(() => server.connections === 0);
    release();
    const ben = await RawClient.open(server, "ben");
    await ben.ask("ping", {});
    expect(started).toBe(8);
  });
});
