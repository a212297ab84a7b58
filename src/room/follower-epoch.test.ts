import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Node, range, World } from "./world.test-support.ts";

/** A room that remembers only 4 events, so that readers behind read the log. */
const SHORT = { limits: { tailEvents: 4 } };

describe("a log that was made anew", () => {
  let world: World;
  let node: Node;

  beforeEach(async () => {
    world = new World();
    node = world.node(SHORT);
    await world.say(10);
  });
  afterEach(() => world.close());

  const anew = (epoch: string) => ({
    type: "history_lost",
    payload: { reason: "epoch", from: null, to: null, cursor: `${epoch}:0` },
  });

  it("is told to every reader, who then reads it from its beginning", async () => {
    const live = await node.join();
    const slow = await node.join(10);
    slow.sink.writable = false;
    world.remake();
    const { epoch } = await world.append("first");
    const room = await node.open();
    node.ring(1, epoch);
    await world.settle();
    expect(room.epoch).toBe(epoch);
    await node.say("second");
    await world.settle();
    slow.sink.writable = true;
    slow.subscription.pump();
    await world.settle();
    for (const { sink } of [live, slow]) expect(sink.messages).toMatchObject([anew(epoch), { seq: 1 }, { seq: 2 }]);
  });

  it("is found by an append of this node", async () => {
    const { sink } = await node.join();
    world.remake();
    const { epoch } = await node.say("first");
    await node.say("second");
    await world.settle();
    expect(sink.messages).toMatchObject([anew(epoch), { seq: 1 }, { seq: 2 }]);
  });

  it("is found when a hole is read, and what was read there comes once", async () => {
    const { sink } = await node.join();
    const old = (await node.open()).epoch;
    world.remake();
    await world.say(12);
    node.ring(11, old);
    await world.settle();
    await node.say("and on");
    await world.settle();
    expect(sink.messages).toMatchObject([anew((await node.open()).epoch), ...range(1, 13).map((seq) => ({ seq }))]);
  });

  it("is told to who joins with a place of the old one", async () => {
    const room = await node.open();
    const old = { epoch: room.epoch, seq: 10 };
    const place = await room.locate(old, 0);
    world.remake();
    const { epoch } = await world.append("first");
    await room.refresh();
    const { sink } = await node.join();
    const joined = await node.join(old);
    const between = room.subscribe(sink, place);
    between.pump();
    await world.settle();
    expect(joined.sink.messages).toMatchObject([anew(epoch), { seq: 1 }]);
    expect(sink.messages).toMatchObject([anew(epoch), { seq: 1 }]);
  });

  it("keeps the state readers are told in step", async () => {
    const { sink } = await node.join();
    const room = await node.open();
    await room.setState("topic", "a", 1);
    world.remake();
    await world.say(1);
    await room.refresh();
    await world.settle();
    expect(sink.types).toEqual(["history_lost", "topic_changed"]);
  });
});
