import { afterEach, describe, expect, it } from "vitest";
import { TwoNodes } from "../access/two-nodes.ts";
import { RawClient, until } from "../harness.ts";
import { DRIVERS, type Driver, openDriver } from "../transports/drivers.ts";
import { ask } from "../transports/http-request.ts";

const ROOM = "chat:lobby";

/** What somebody tries whose access was taken back, or who was never given any. */
describe("access that is not given", () => {
  let nodes: TwoNodes;
  const drivers: Driver[] = [];
  const begin = async (options = {}) => {
    nodes = await TwoNodes.start({ limits: { connectionsPerIp: 0, requestsPerSecond: 0 }, ...options });
  };
  afterEach(async () => {
    for (const driver of drivers.splice(0)) driver.close();
    await nodes?.close();
  });
  const poll = (token: string, cursor: string, timeoutMs = 0) =>
    ask(nodes.there.url, `/api/messages/wait?timeoutMs=${timeoutMs}`, { token, body: { cursor } });

  it.each(DRIVERS)(
    "AUTH-10: one who was revoked while it was away over %s does not resume, by whatever door",
    async (name) => {
      await begin();
      const token = await nodes.token("ada");
      const ada = await openDriver(name, { url: nodes.here.url, token });
      drivers.push(ada);
      await ada.join("lobby");
      await nodes.here.room("lobby").publish("news", { index: 1 });
      await until(() => ada.seqs(ROOM).length === 1);
      const cursor = new URLSearchParams([...ada.cursors]).toString();
      ada.close();
      await nodes.here.revoke({ user: "ada" });
      await nodes.here.room("lobby").publish("secret", { text: "canary" });
      const after = encodeURIComponent(ada.cursors.get(ROOM)!);
      const doors = [
        poll(token, cursor),
        ask(nodes.there.url, `/api/messages?roomId=lobby&after=${after}`, { token }),
        ask(nodes.there.url, `/api/messages/wait?roomId=lobby&after=${after}`, { token }),
        ask(nodes.there.url, `/api/events?roomId=lobby&after=${after}`, { token }),
        ask(nodes.there.url, "/api/events", { token, body: { cursor } }),
        ask(nodes.there.url, "/api/messages", {
          token,
          body: { type: "send_message", payload: { roomId: "lobby", content: "x" } },
        }),
        ask(nodes.there.url, "/api/rooms/lobby/history", { token }),
        ask(nodes.there.url, "/api/notifications", { token }),
        ask(nodes.there.url, "/api/dashboards", { token }),
        ask(nodes.there.url, "/api/documents/readme", { token }),
        ask(nodes.there.url, "/api/tickets", { token, method: "POST" }),
      ];
      for (const answer of await Promise.all(doors)) {
        expect(answer).toMatchObject({ status: 401, body: { error: { message: "The token is not accepted." } } });
        expect(answer.text).not.toContain("canary");
      }
      await expect(openDriver("websocket", { url: nodes.there.url, token })).rejects.toThrow();
      expect((await nodes.here.room("lobby").view()).head).toBe(2);
    },
  );

  it("HTTP-15, AUTH-11: one who was kicked, or banned, gets nothing after it with an old cursor, hanging or not", async () => {
    await begin();
    const token = await nodes.token("ada");
    const join = { messages: [{ type: "join_room", payload: { roomId: "lobby" } }] };
    const first = await ask(nodes.there.url, "/api/messages/wait?timeoutMs=0", { token, body: join });
    const { cursor } = first.body as { cursor: string };
    const hanging = poll(token, cursor, 30_000);
    await until(async () => /yamabiko_readers 1\n/.test(await nodes.there.metrics()));
    await nodes.here.ban({ user: "ada", room: "lobby" });
    const told = (await hanging).body as { messages: { type: string; payload: object }[] };
    expect(told.messages).toMatchObject([{ type: "left_room", payload: { roomId: ROOM, reason: "banned" } }]);
    await nodes.here.room("lobby").publish("secret", { text: "canary" });
    const later = await poll(token, cursor);
    expect(later.body).toMatchObject({ messages: [{ type: "left_room", payload: { roomId: ROOM } }] });
    expect(later.text).not.toContain("canary");
    const history = await ask(nodes.there.url, "/api/rooms/lobby/history", { token });
    expect(history).toMatchObject({ status: 403 });
  });

  it("a cursor is no credential: with another's, or without any, it opens nothing", async () => {
    await begin({
      access: ({ user, name }: { user: { id: string }; name: string }) => name !== "lobby" || user.id === "ada",
    });
    const token = await nodes.token("ada");
    const ada = await openDriver("polling", { url: nodes.here.url, token });
    drivers.push(ada);
    await ada.join("lobby");
    await nodes.here.room("lobby").publish("secret", { text: "canary" });
    const cursor = new URLSearchParams([...ada.cursors]).toString();
    const eve = await poll(await nodes.token("eve"), cursor);
    expect(eve.body).toMatchObject({ messages: [{ type: "left_room", payload: { reason: "access_denied" } }] });
    expect(eve.text).not.toContain("canary");
    for (const none of ["", "no-token", "guest.aaaaaaaaaaaaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"]) {
      const answer = await poll(none, cursor);
      expect(answer.status).toBe(401);
      expect(answer.text).not.toContain("canary");
    }
  });

  it("a guest token that was made up, or changed in any letter, makes nobody that guest", async () => {
    await begin({ guests: true });
    const guest = new RawClient(nodes.here.wsUrl);
    await guest.opened();
    guest.send("ping", {});
    const { guestToken, user } = (await guest.next("welcome")).payload as { guestToken: string; user: { id: string } };
    for (let at = 0; at < guestToken.length - 1; at += 5) {
      const other = guestToken[at] === "A" ? "B" : "A";
      const changed = guestToken.slice(0, at) + other + guestToken.slice(at + 1);
      const answer = await ask(nodes.here.url, "/api/messages/wait?timeoutMs=0", {
        token: changed,
        body: { welcome: true },
      });
      expect([at, answer.status]).toEqual([at, 401]);
      expect(answer.text).not.toContain(user.id);
    }
  });

  it("one user over two transports at once gets everything once by each, and what it repeats is one event", async () => {
    await begin();
    const token = await nodes.token("ada");
    const [socket, polls] = [
      await openDriver("websocket", { url: nodes.here.url, token }),
      await openDriver("long-polling", { url: nodes.there.url, token }),
    ];
    drivers.push(socket, polls);
    await socket.join("lobby");
    await polls.join("lobby", { after: socket.cursors.get(ROOM) });
    const message = { roomId: "lobby", content: "x" };
    const acks = await Promise.all([
      socket.send("send_message", message, "same"),
      polls.send("send_message", message, "same"),
      socket.send("send_message", message, "other"),
    ]);
    expect(acks.map(({ duplicate }) => duplicate).sort()).toEqual([false, false, true]);
    await until(() => socket.seqs(ROOM).length === 2 && polls.seqs(ROOM).length === 2);
    expect([socket.seqs(ROOM), polls.seqs(ROOM)]).toEqual([
      [1, 2],
      [1, 2],
    ]);
  });
});
