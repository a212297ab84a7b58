import { afterEach, describe, expect, it } from "vitest";
import { type Context, defineNamespace } from "../../src/session/namespace.ts";
import { createFakeClock } from "../../src/testing/fake-clock.ts";
import { RawClient, startServer, until } from "../harness.ts";

/** Something that a test lets go on. */
function createGate() {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

describe("the state a connection sets", () => {
  let server: Awaited<ReturnType<typeof startServer>>;
  afterEach(() => server.close());

  const change = (key: string, value: unknown) => ({ key, value: value as null });
  const value = async (key: string) => (await server.room("steps:room").view()).value("flags", key);

  it("CHAT-3: goes with the connection, also when a handler sets it after the drop", async () => {
    const gate = createGate();
    let set: boolean | Promise<boolean> | null = null;
    let started = 0;
    server = await startServer({
      namespaces: [
        defineNamespace({
          name: "steps",
          messages: {
            late: {
              handle: async (context: Context) => {
                started++;
                await gate.opened;
                set = context.state("flags").set("late", 1);
              },
            },
          },
          state: { flags: { event: "flag", change } },
        }),
      ],
    });
    const [ada, ben] = [await RawClient.open(server, "ada"), await RawClient.open(server, "ben")];
    await ada.join("steps:room");
    await ben.join("steps:room");
    ada.send("late", { roomId: "steps:room" });
    await until(() => started === 1);
    ada.close();
    await until(() => server.connections === 1);
    gate.open();
    await until(() => set !== null);
    expect(set).toBe(false);
    expect(await value("late")).toBeNull();
  });

  it("CHAT-3: also when it drops while access is being asked", async () => {
    const gate = createGate();
    let asked = 0;
    let done = 0;
    server = await startServer({
      access: async ({ right }) => {
        if (right === "write") {
          asked++;
          await gate.opened;
        }
        return true;
      },
      namespaces: [
        defineNamespace({
          name: "steps",
          messages: {
            now: {
              handle: (context: Context) => {
                context.state("flags").set("now", 1);
                done++;
              },
            },
          },
          state: { flags: { event: "flag", change } },
        }),
      ],
    });
    const ada = await RawClient.open(server, "ada");
    await ada.join("steps:room");
    ada.send("now", { roomId: "steps:room" });
    await until(() => asked === 1);
    ada.close();
    await until(() => server.connections === 0);
    gate.open();
    await until(() => done === 1);
    expect(await value("now")).toBeNull();
  });

  it("CHAT-3: also when it drops while joining again", async () => {
    const gate = createGate();
    let joins = 0;
    let set = 0;
    server = await startServer({
      namespaces: [
        defineNamespace({
          name: "steps",
          messages: {},
          state: { flags: { event: "flag", change } },
          onJoin: async (context) => {
            if (++joins < 2) return undefined;
            await gate.opened;
            context.state("flags").set("again", 1);
            set++;
            return undefined;
          },
        }),
      ],
    });
    const ada = await RawClient.open(server, "ada");
    await ada.join("steps:room");
    ada.send("join_room", { roomId: "steps:room" });
    await until(() => joins === 2);
    ada.close();
    await until(() => server.connections === 0);
    gate.open();
    await until(() => set === 1);
    expect(await value("again")).toBeNull();
  });

  it("CHAT-3: one tab of a user that leaves does not end what another tab set after it", async () => {
    const clock = createFakeClock();
    server = await startServer({ clock });
    const [one, two, ben] = [
      await RawClient.open(server, "ada"),
      await RawClient.open(server, "ada"),
      await RawClient.open(server, "ben"),
    ];
    for (const client of [one, two, ben]) await client.join("room");
    const typing = async () => (await server.room("room").view()).value("typing", "ada");
    await one.ask("typing_start", "room");
    await clock.advance(2_000);
    await two.ask("typing_start", "room");
    await one.ask("leave_room", "room");
    expect(await typing()).not.toBeNull();
    two.close();
    await ben.next(({ type, payload }) => type === "user_typing" && !(payload as { typing: boolean }).typing);
    expect(await typing()).toBeNull();
  });

  it("what the server itself set after a client stays when the client leaves", async () => {
    server = await startServer({
      namespaces: [
        defineNamespace({
          name: "steps",
          messages: { mine: { handle: (context: Context) => void context.state("flags").set("key", 1) } },
          state: { flags: { event: "flag", change } },
        }),
      ],
    });
    const ada = await RawClient.open(server, "ada");
    await ada.join("steps:room");
    await ada.ask("mine", { roomId: "steps:room" });
    (await server.room("steps:room").state("flags")).set("key", 2);
    await ada.ask("leave_room", "steps:room");
    expect(await value("key")).toBe(2);
  });
});
