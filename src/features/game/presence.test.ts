import { describe, expect, it } from "vitest";
import { createFakeClock } from "../../testing/fake-clock.ts";
import { Presence } from "./presence.ts";

const user = (id: string) => ({ id, name: id });

function world() {
  const clock = createFakeClock();
  const members = new Set<string>();
  return { clock, members, presence: new Presence(clock, (id) => members.has(id)) };
}

describe("who wants to play", () => {
  it("GAME-10 is whoever arrived, for as long as it is a member", async () => {
    const { clock, members, presence } = world();
    presence.arrived(user("ann"));
    presence.sweep();
    expect(presence.has("ann")).toBe(true);
    members.add("ann");
    await clock.advance(60_000);
    presence.sweep();
    expect(presence.local).toEqual([user("ann")]);
    members.delete("ann");
    presence.sweep();
    expect(presence.has("ann")).toBe(false);
    expect(presence.isEmpty).toBe(true);
  });

  it("is nobody who never became a member", async () => {
    const { clock, presence } = world();
    presence.arrived(user("ann"));
    await clock.advance(6_000);
    presence.sweep();
    expect(presence.isEmpty).toBe(true);
  });

  it("GAME-11 is whoever other nodes speak of, and for ten seconds those whose node is gone", async () => {
    const { clock, presence } = world();
    presence.heard("other", [user("bob"), user("cat")]);
    expect(Array.from(presence.all(), ({ id }) => id)).toEqual(["bob", "cat"]);
    expect(Array.from(presence.nodes)).toEqual(["other"]);
    presence.heard("other", [user("bob")]);
    expect(presence.has("cat")).toBe(false);
    await clock.advance(4_000);
    presence.sweep();
    expect(Array.from(presence.nodes)).toEqual([]);
    expect(presence.has("bob")).toBe(true);
    await clock.advance(10_000);
    presence.sweep();
    expect(presence.has("bob")).toBe(false);
  });

  it("GAME-11 is for a while whoever played when another node led", async () => {
    const { clock, presence } = world();
    presence.await("dan");
    expect(presence.has("dan")).toBe(true);
    presence.heard("other", [user("dan")]);
    await clock.advance(3_000);
    presence.heard("other", [user("dan")]);
    await clock.advance(3_000);
    presence.sweep();
    expect(presence.has("dan")).toBe(true);
  });
});
