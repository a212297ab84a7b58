import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { nullObserver } from "../observe/observer.ts";
import { Fanout, type Flushable, type FlushableRoom } from "./fanout.ts";

describe("the fan-out", () => {
  let now: number;
  let fanout: Fanout;
  /** What was flushed, in order. */
  let done: string[];
  let failures: string[];

  beforeEach(() => {
    now = 1_000;
    done = [];
    failures = [];
    vi.useFakeTimers({ toFake: ["setImmediate", "clearImmediate", "setTimeout", "clearTimeout"] });
    vi.spyOn(performance, "now").mockImplementation(() => now);
    fanout = new Fanout({ ...nullObserver, failure: (where) => void failures.push(where) });
  });

  afterEach(() => {
    vi.restoreAllMocks();
    vi.useRealTimers();
  });

  /** A room whose flush takes `costMs` for `events`. */
  const room = (name: string, costMs = 0, events = 1, also = (): void => {}): FlushableRoom => ({
    flush: () => {
      done.push(name);
      now += costMs;
      also();
      return { events, readers: 1 };
    },
  });
  const sink = (name: string, also = (): void => {}): Flushable => ({
    flush: () => {
      done.push(name);
      also();
    },
  });
  const pass = (ms: number): void => {
    now += ms;
    vi.advanceTimersByTime(ms);
  };

  it("comes at the end of the turn, once for all: first the rooms, then the connections", () => {
    fanout.markSink(sink("sink 1"));
    fanout.markRoom(room("room 1"));
    fanout.markSink(sink("sink 2"));
    fanout.markRoom(room("room 2"));
    expect(done).toEqual([]);
    expect(vi.getTimerCount()).toBe(1);
    pass(0);
    expect(done).toEqual(["room 1", "room 2", "sink 1", "sink 2"]);
    pass(100);
    expect(done).toHaveLength(4);
  });

  it("writes what rooms deliver in the same flush", () => {
    fanout.markRoom(room("room", 0, 1, () => fanout.markSink(sink("sink"))));
    fanout.flush();
    expect(done).toEqual(["room", "sink"]);
  });

  it("goes on with the others when a room or a connection throws", () => {
    const fail = () => {
      throw new Error("broken");
    };
    fanout.markRoom(room("bad room", 0, 1, fail));
    fanout.markRoom(room("room"));
    fanout.markSink(sink("bad sink", fail));
    fanout.markSink(sink("sink"));
    pass(0);
    expect(done).toEqual(["bad room", "room", "bad sink", "sink"]);
    expect(failures).toEqual(["flushing a room", "writing to a connection"]);
    fanout.markRoom(room("later"));
    pass(0);
    expect(done.at(-1)).toBe("later");
  });

  it("does not lose what is asked for inside of it: that goes with the next one", () => {
    const asked = sink("asked by a sink", () => {
      fanout.markRoom(room("asked by a room"));
      fanout.flush();
    });
    fanout.markSink(sink("sink", () => fanout.markSink(asked)));
    fanout.flush();
    expect(done).toEqual(["sink"]);
    pass(0);
    expect(done).toEqual(["sink", "asked by a sink"]);
    pass(1);
    expect(done).toEqual(["sink", "asked by a sink", "asked by a room"]);
  });

  it("flushed by hand, leaves nothing to the flush that was to come", () => {
    fanout.markRoom(room("room"));
    fanout.flush();
    pass(0);
    expect(done).toEqual(["room"]);
    fanout.markRoom(room("room"));
    pass(0);
    expect(done).toEqual(["room", "room"]);
  });

  it.each([
    ["as long as the last one took", 8, 8],
    ["20 ms at most", 300, 20],
  ])("is put off when it is dear and carries little: %s", (_, costMs, delayMs) => {
    fanout.markRoom(room("dear", costMs, 2));
    pass(0);
    fanout.markRoom(room("put off"));
    pass(delayMs - 1);
    expect(done).toEqual(["dear"]);
    pass(1);
    expect(done).toEqual(["dear", "put off"]);
    fanout.markRoom(room("at once"));
    pass(0);
    expect(done).toEqual(["dear", "put off", "at once"]);
  });

  it.each([
    ["it is cheap", 1.9, 1],
    ["it carries much", 15, 4],
    ["nothing would be joined", 15, 1],
  ])("is not put off when %s", (_, costMs, events) => {
    fanout.markRoom(room("first", costMs, events));
    pass(0);
    fanout.markRoom(room("second"));
    pass(0);
    expect(done).toEqual(["first", "second"]);
  });

  it("is not put off when as much time has passed by itself", () => {
    fanout.markRoom(room("dear", 10, 2));
    pass(0);
    pass(10);
    fanout.markRoom(room("second"));
    pass(0);
    expect(done).toEqual(["dear", "second"]);
  });

  it("is put off no further by what is asked for while it waits", () => {
    fanout.markRoom(room("dear", 10, 2));
    pass(0);
    fanout.markRoom(room("a"));
    pass(6);
    fanout.markSink(sink("sink"));
    fanout.markRoom(room("b"));
    pass(4);
    expect(done).toEqual(["dear", "a", "b", "sink"]);
  });

  /** A connection whose write takes `costMs`. */
  const dear = (name: string, costMs: number): Flushable => ({
    flush: () => {
      done.push(name);
      now += costMs;
    },
  });

  it("goes on in the next turn when it takes longer than 5 ms, and lets others in between", () => {
    const names = Array.from({ length: 48 }, (_, index) => `sink ${index}`);
    for (const name of names) fanout.markSink(dear(name, 0.5));
    pass(0);
    expect(done).toEqual(names.slice(0, 16));
    fanout.markRoom(room("another room", 0, 1, () => fanout.markSink(sink("its reader"))));
    pass(1);
    expect(done.slice(16)).toEqual(["another room", ...names.slice(16, 32)]);
    pass(1);
    expect(done.slice(33, 49)).toEqual(names.slice(32));
    pass(1);
    expect(done.at(-1)).toBe("its reader");
    expect(vi.getTimerCount()).toBe(0);
  });

  it("puts the next one off by what all its slices took", () => {
    fanout.markRoom(room("room", 0, 2));
    for (let index = 0; index < 32; index++) fanout.markSink(dear("sink", 0.5));
    pass(0);
    pass(1);
    expect(done).toHaveLength(33);
    fanout.markRoom(room("put off"));
    pass(15);
    expect(done.at(-1)).toBe("sink");
    pass(1);
    expect(done.at(-1)).toBe("put off");
  });
});
