import { describe, expect, it } from "vitest";
import { nullObserver, type TickResult } from "../observe/observer.ts";
import { createFakeClock } from "../testing/fake-clock.ts";
import type { Format, Sink } from "./sink.ts";
import { type TickSource, Ticks } from "./ticks.ts";

interface Reader {
  readonly connectionId: string;
  readonly wants?: "bytes" | "text" | "nothing";
}

const LINES: Format = {
  id: "lines",
  event: () => Buffer.alloc(0),
  envelope: ({ type, payload }) => Buffer.from(JSON.stringify({ type, payload })),
};
const FRAMES: Format = { ...LINES, id: "frames", bytes: (payload) => Buffer.from(payload) };

class WayOut implements Sink {
  readonly format: Format;
  readonly buffers: Buffer[] = [];
  writable = true;
  pendingBytes?: number;
  waitsMs?: number;

  constructor(format = FRAMES, pendingBytes?: number) {
    this.format = format;
    if (pendingBytes !== undefined) this.pendingBytes = pendingBytes;
  }

  deliver(bytes: Buffer): void {
    this.buffers.push(bytes);
  }

  close(): void {}

  take(): string[] {
    return this.buffers.splice(0).map((bytes) => bytes.toString());
  }
}

function world(more: Partial<TickSource<Reader>> = {}) {
  const results: TickResult[] = [];
  const encoded: (number | null)[] = [];
  let flushes = 0;
  let newest = 0;
  const source: TickSource<Reader> = {
    perSecond: 60,
    textPerSecond: 20,
    maxBase: 63,
    wants: ({ wants }) => wants ?? "bytes",
    bytes(base) {
      encoded.push(base);
      return Buffer.from(`${newest} from ${base}`);
    },
    text: () => ({ type: "state", payload: { tick: newest } }),
    ...more,
  };
  const observer = { ...nullObserver, ticked: (result: TickResult) => void results.push(result) };
  const fanout = {
    flush() {
      flushes++;
    },
  };
  const ticks = new Ticks({ roomId: "game:a", fanout: fanout as never, observer, clock: createFakeClock() }, source);
  return {
    ticks,
    results,
    encoded,
    flushes: () => flushes,
    publish(tick: number) {
      newest = tick;
      ticks.publish(tick);
    },
    join(connectionId: string, sink: Sink, wants?: Reader["wants"]) {
      ticks.add(wants === undefined ? { connectionId } : { connectionId, wants }, sink);
    },
  };
}

describe("ticks", () => {
  it("are encoded once for all who were given the same, and leave at once", () => {
    const { join, publish, encoded, flushes } = world();
    const [one, two, late] = [new WayOut(), new WayOut(), new WayOut()];
    join("1", one);
    join("2", two);
    publish(1);
    publish(2);
    join("3", late);
    publish(3);
    expect(one.take()).toEqual(["1 from null", "2 from 1", "3 from 2"]);
    expect(two.buffers[2]).toBe(two.buffers[2]);
    expect(two.take()).toEqual(["1 from null", "2 from 1", "3 from 2"]);
    expect(late.take()).toEqual(["3 from null"]);
    expect(encoded).toEqual([null, 1, 2, null]);
    expect(flushes()).toBe(3);
  });

  it("GAME-8 leave out a reader with more than two frames waiting, and go on from the last it was given", () => {
    const { join, publish, results } = world();
    const slow = new WayOut(FRAMES, 0);
    const quick = new WayOut(FRAMES, 0);
    join("slow", slow);
    join("quick", quick);
    publish(1);
    slow.pendingBytes = 100;
    publish(2);
    publish(3);
    slow.pendingBytes = 0;
    publish(4);
    expect(slow.take()).toEqual(["1 from null", "4 from 1"]);
    expect(quick.take()).toEqual(["1 from null", "2 from 1", "3 from 2", "4 from 3"]);
    expect(results.filter((result) => result === "left_out")).toHaveLength(2);
  });

  it("GAME-4 are whole for one whose base is too old, that joined again, or that asks", () => {
    const { join, publish, ticks } = world();
    const sink = new WayOut(FRAMES, 0);
    join("1", sink);
    publish(1);
    sink.pendingBytes = 1e9;
    publish(2);
    sink.pendingBytes = 0;
    publish(64);
    expect(sink.take()).toEqual(["1 from null", "64 from 1"]);
    publish(128);
    expect(sink.take()).toEqual(["128 from null"]);
    publish(129);
    join("1", sink);
    publish(130);
    expect(sink.take()).toEqual(["129 from 128", "130 from null"]);
    ticks.confirm("1", null);
    publish(131);
    expect(sink.take()).toEqual(["131 from null"]);
    // The world goes on from an earlier tick: somebody else leads it now.
    publish(100);
    publish(101);
    expect(sink.take()).toEqual(["100 from null", "101 from 100"]);
  });

  it("GAME-8 wait for a reader that says what it has, while what it has not is older than 500 ms", () => {
    const { join, publish, ticks } = world();
    const sink = new WayOut(FRAMES, 0);
    join("1", sink);
    for (let tick = 1; tick <= 40; tick++) {
      publish(tick);
      if (tick <= 5) ticks.confirm("1", tick);
    }
    // 30 ticks are 500 ms.
    expect(sink.take().at(-1)).toBe("35 from 34");
    ticks.confirm("1", 20);
    publish(41);
    expect(sink.take()).toEqual(["41 from 35"]);
    // Nobody can have what it was not given, and saying so does not help.
    ticks.confirm("1", 1_000_000);
    for (let tick = 42; tick <= 100; tick++) publish(tick);
    expect(sink.take().at(-1)).toBe("71 from 70");
    // All of it arrived, long ago: there is nothing to wait for.
    ticks.confirm("1", 71);
    publish(500);
    expect(sink.take()).toEqual(["500 from null"]);
    ticks.confirm("nobody", 3);
  });

  it("GAME-9 come as text where bytes do not pass, at their own rate, and never one behind another", () => {
    const { join, publish } = world();
    const stream = new WayOut(LINES, 0);
    const chosen = new WayOut(FRAMES, 0);
    join("1", stream);
    join("2", chosen, "text");
    for (let tick = 1; tick <= 9; tick++) {
      stream.pendingBytes = tick === 6 || tick === 7 ? 1e6 : 0;
      publish(tick);
    }
    const state = (tick: number) => JSON.stringify({ type: "state", payload: { tick } });
    expect(chosen.take()).toEqual([state(1), state(3), state(6), state(9)]);
    // Left out at 6, it is owed the newest as soon as it takes something.
    expect(stream.take()).toEqual([state(1), state(3), state(8), state(9)]);
  });

  it("GAME-9 answer a poll that does not wait with the newest, and leave a closed one alone", () => {
    const { join, publish, ticks } = world();
    publish(7);
    const poll = new WayOut(LINES);
    poll.waitsMs = 0;
    join("1", poll);
    expect(poll.take()).toEqual([JSON.stringify({ type: "state", payload: { tick: 7 } })]);
    const waiting = new WayOut(LINES);
    waiting.waitsMs = 25_000;
    join("2", waiting);
    expect(waiting.take()).toEqual([]);
    publish(9);
    expect(waiting.take()).toHaveLength(1);
    waiting.writable = false;
    publish(12);
    expect(waiting.take()).toEqual([]);
    ticks.drop(poll);
    ticks.drop(waiting);
    expect(ticks.readers).toBe(0);
  });

  it("reach the others when one cannot be encoded", () => {
    const { join, publish } = world({
      bytesFor({ connectionId }) {
        if (connectionId === "bad") throw new Error("no");
        return Buffer.from("good");
      },
    });
    const [bad, good] = [new WayOut(), new WayOut()];
    join("bad", bad);
    join("good", good);
    join("none", new WayOut(), "nothing");
    publish(1);
    expect(bad.take()).toEqual([]);
    expect(good.take()).toEqual(["good"]);
  });
});
