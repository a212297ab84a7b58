import { afterEach, expect, test } from "vitest";
import { createServer } from "../../src/server/server.ts";
import { RawClient, startServer } from "../harness.ts";
import { ask } from "./http-request.ts";

let server: Awaited<ReturnType<typeof startServer>>;
afterEach(() => server?.close());

test.each([[[""]], [["0123456789abcdef", ""]], [["a key"]]])("%j as API keys is refused", (apiKeys) => {
  const auth = { secret: "x".repeat(32) };
  expect(() => createServer({ log: "memory:", auth, apiKeys })).toThrow(TypeError);
});

/** A rule that says yes only when it is let. */
const startSlowly = async () => {
  const gates: (() => void)[] = [];
  server = await startServer({
    access: ({ user }) =>
      !["ann", "ben"].includes(user.id) || new Promise<boolean>((resolve) => gates.push(() => resolve(true))),
    auth: async (token: string) => ({ id: token, name: token, claims: {}, expiresAt: Date.now() + 3_600_000 }),
  });
  const asked = () => expect.poll(() => gates.length).toBeGreaterThan(0);
  return { asked, answer: () => gates.splice(0).forEach((open) => void open()) };
};

test("one who is kicked while it is let in over a WebSocket is not in", async () => {
  const rule = await startSlowly();
  const client = new RawClient(server.wsUrl);
  await client.opened();
  client.send("authenticate", { token: "ann" });
  await client.next("welcome");
  const joined = client.ask("join_room", { roomId: "room" });
  await rule.asked();
  await server.room("room").kick("ann");
  rule.answer();
  expect(await joined).toMatchObject({ success: false, error: { code: "access_denied" } });
  const again = client.ask("join_room", { roomId: "room" });
  await rule.asked();
  rule.answer();
  expect(await again).toMatchObject({ success: true });
  client.close();
});

test("one who is kicked while it goes on with a poll gets nothing more", async () => {
  const rule = await startSlowly();
  const { epoch } = await server.room("room").view();
  for (const path of ["/api/messages/wait?timeoutMs=2000", `/api/messages/wait?timeoutMs=2000&roomId=room&after=0`]) {
    const isGet = path.includes("roomId");
    const body = isGet ? undefined : { cursor: `room=${epoch}:0` };
    const user = isGet ? "ann" : "ben";
    const polled = ask(server.url, path, { token: user, body });
    await rule.asked();
    await server.room("room").kick(user);
    rule.answer();
    await server.room("room").publish("noted", {});
    const { status, text } = await polled;
    expect(text).not.toContain('"noted"');
    expect(status).toBe(isGet ? 403 : 200);
    if (!isGet) expect(text).toContain('"left_room"');
  }
});
