import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { type Node, TwoNodes } from "../access/two-nodes.ts";
import { RawClient, until, upgrade } from "../harness.ts";

const SECRET = "secret-of-the-operators-0123456789";
const HEADERS = { Authorization: `Bearer ${SECRET}` };
/** All clients come from one address here. */
const UNLIMITED = {
  connectionsPerIp: 0,
  handshakesPerSecond: 0,
  messagesPerSecond: 0,
  bytesPerSecond: 0,
  userMessagesPerSecond: 0,
  userBytesPerSecond: 0,
};

interface Row {
  readonly connectionId: string;
  readonly userId: string;
  readonly nodeId: string;
  readonly slowness: readonly { readonly kind: string; readonly [more: string]: unknown }[];
}

describe("the admin listener over two nodes", () => {
  let nodes: TwoNodes;
  /** Where the admin listeners are; each tells of both nodes. */
  let urls: string[];

  const get = async <T>(path: string, from = 0): Promise<T> => {
    const response = await fetch(`${urls[from]}${path}`, { headers: HEADERS });
    expect(response.status, await response.clone().text()).toBe(200);
    return (await response.json()) as T;
  };
  const post = async (path: string, body: object, from = 0) => {
    const response = await fetch(`${urls[from]}${path}`, {
      method: "POST",
      headers: HEADERS,
      body: JSON.stringify(body),
    });
    return { status: response.status, body: (await response.json()) as { error?: { code: string } } };
  };
  const join = async (client: RawClient, roomId: string) => {
    client.send("join_room", { roomId });
    await client.next("joined_room");
  };
  /** A connection as the console has it. */
  const operate = async (from = 0): Promise<RawClient> => {
    const client = new RawClient(`${urls[from]!.replace("http", "ws")}/ws`, [], { headers: HEADERS });
    await client.next("welcome");
    return client;
  };

  beforeAll(async () => {
    nodes = await TwoNodes.start({ admin: { secret: SECRET }, limits: UNLIMITED });
    urls = [nodes.here, nodes.there].map(({ adminUrl }) => adminUrl!);
    await until(async () => (await get<{ nodes: unknown[] }>("/api/nodes")).nodes.length === 2);
  });
  afterAll(() => nodes.close());

  it("lists the connections of all nodes, found by user and by room, whichever node is asked", async () => {
    const ada = await nodes.open(nodes.here, "ada");
    const ben = await nodes.open(nodes.there, "ben");
    await join(ben, "chat:upstairs");
    for (const from of [0, 1]) {
      const found = async (search: string) =>
        (await get<{ connections: Row[] }>(`/api/connections?search=${search}`, from)).connections.map(
          ({ userId }) => userId,
        );
      expect(await found("ada")).toEqual(["ada"]);
      expect(await found("UPSTAIRS")).toEqual(["ben"]);
      expect(await found("nobody")).toEqual([]);
    }
    const { rooms } = await get<{ rooms: { roomId: string; members: number }[] }>("/api/rooms?search=upstairs", 1);
    expect(rooms).toMatchObject([{ roomId: "chat:upstairs", members: 1 }]);
    ada.close();
    ben.close();
  });

  it("lists more than one notice between nodes can carry", async () => {
    const clients = await Promise.all(
      Array.from({ length: 40 }, (_, index) => nodes.open(nodes.there, `many-${index}`)),
    );
    const { connections, fitting } = await get<{ connections: Row[]; fitting: number }>(
      "/api/connections?search=many-&limit=200",
    );
    expect(connections).toHaveLength(40);
    expect(fitting).toBe(40);
    for (const client of clients) client.close();
  });

  it("says of a slow client, first of all, why it is slow", async () => {
    const quick = await nodes.open(nodes.there, "quick");
    await join(quick, "chat:busy");
    const slow = await stalled(nodes.there, await nodes.token("slow"), "chat:busy");
    const content = "x".repeat(4_000);
    let first: Row | undefined;
    await until(async () => {
      const asked = Array.from({ length: 50 }, () => quick.ask("send_message", { roomId: "chat:busy", content }));
      await Promise.all(asked);
      first = (await get<{ connections: Row[] }>("/api/connections?order=slow&isSlow=true")).connections[0];
      return first?.slowness.some(({ kind }) => kind === "behind") === true;
    }, 20_000);
    expect(first).toMatchObject({ userId: "slow" });
    const kinds = first!.slowness.map(({ kind }) => kind);
    expect(kinds.some((kind) => kind.startsWith("takes_"))).toBe(true);
    expect(first!.slowness).toContainEqual(expect.objectContaining({ kind: "behind", roomId: "chat:busy" }));
    slow.destroy();
    quick.close();
  });

  it("reads a room's log page by page, without being in the room", async () => {
    const ada = await nodes.open(nodes.here, "ada");
    await join(ada, "chat:logged");
    for (const content of ["one", "two", "three"]) await ada.ask("send_message", { roomId: "chat:logged", content });
    type Page = { events: { seq: number; sender: string; payload: string }[] };
    const last = await get<Page>("/api/rooms/chat:logged/log?limit=2", 1);
    expect(last.events.map(({ seq }) => seq)).toEqual([2, 3]);
    const before = await get<Page>("/api/rooms/chat:logged/log?limit=2&before=2", 1);
    expect(before.events).toMatchObject([{ seq: 1, sender: "ada" }]);
    expect(before.events[0]!.payload).toContain("one");
    const room = await get<{ members: { users: { userId: string }[] } }>("/api/rooms/chat:logged", 1);
    expect(room.members.users.map(({ userId }) => userId)).toEqual(["ada"]);
    ada.close();
  });

  it("CLS-4 says something to everybody, to a user, to a room, on all nodes", async () => {
    const ada = await nodes.open(nodes.here, "ada");
    const ben = await nodes.open(nodes.there, "ben");
    await join(ben, "chat:attic");
    await post("/api/announce", { text: "to ben", to: { user: "ben" } });
    await post("/api/announce", { text: "to the attic", level: "warning", to: { room: "attic" } });
    await post("/api/announce", { text: "to all" });
    expect((await ada.next("announcement")).payload).toEqual({ text: "to all", level: "info" });
    const heard: unknown[] = [];
    for (let index = 0; index < 3; index++) heard.push((await ben.next("announcement")).payload);
    expect(heard).toEqual([
      { text: "to ben", level: "info" },
      { text: "to the attic", level: "warning" },
      { text: "to all", level: "info" },
    ]);
    ada.close();
    ben.close();
  });

  it("closes a user's connections on all nodes", async () => {
    const clients = [await nodes.open(nodes.here, "eve"), await nodes.open(nodes.there, "eve")];
    expect((await post("/api/disconnect", { user: "eve" })).status).toBe(200);
    for (const client of clients) expect((await client.closed).code).toBe(4403);
    type Counted = { nodes: { counts: Record<"disconnections" | "refusals", Record<string, number>> }[] };
    await until(async () => {
      const counted = (await get<Counted>("/api/nodes")).nodes.map(({ counts }) => counts);
      return counted.every(({ disconnections }) => Object.keys(disconnections).length > 0);
    });
  });

  it("takes a user out of a room, bans it until that is lifted, and revokes its access, on all nodes", async () => {
    const eve = await nodes.open(nodes.there, "eve");
    const member = { user: "eve", room: "chat:cellar" };
    await join(eve, member.room);
    expect((await post("/api/kick", member)).status).toBe(200);
    await eve.next("left_room");
    expect((await post("/api/ban", { ...member, reason: "noise" })).status).toBe(200);
    const bans = async () => (await get<{ bans: object[] }>("/api/bans?room=chat:cellar", 1)).bans;
    await until(async () => (await bans()).length === 1);
    expect(await bans()).toMatchObject([{ userId: "eve", roomId: "chat:cellar", reason: "noise" }]);
    expect(await eve.ask("join_room", { roomId: member.room })).toMatchObject({ success: false });
    expect((await post("/api/unban", member)).status).toBe(200);
    await until(async () => (await bans()).length === 0);
    await until(async () => (await eve.ask("join_room", { roomId: member.room })).success);
    expect((await post("/api/revoke", { user: "eve" })).status).toBe(200);
    expect((await eve.closed).code).toBe(4401);
    expect((await post("/api/revoke", {})).status).toBe(400);
  });

  it("traces a user wherever it is: what it sends, how it is answered and how soon; payloads only when asked", async () => {
    const operator = await operate();
    const ben = await nodes.open(nodes.there, "ben");
    await join(ben, "chat:traced");
    operator.send("join_room", { roomId: "admin:trace-1", user: "ben" });
    await operator.next("joined_room");
    const entries = async () =>
      operator.received.flatMap(({ type, payload }) =>
        type === "traced" ? (payload as { entries: Record<string, unknown>[] }).entries : [],
      );
    await until(async () => {
      await ben.ask("send_message", { roomId: "chat:traced", content: "a secret" });
      return (await entries()).some(({ direction }) => direction === "room");
    });
    const seen = await entries();
    const sent = seen.find(({ direction, type }) => direction === "in" && type === "send_message")!;
    expect(sent).toMatchObject({ userId: "ben", roomId: "chat:traced", payload: null });
    const answered = seen.find(({ type, seq }) => type === "ack" && seq !== null)!;
    expect(answered.durationMs).toBeGreaterThanOrEqual(0);
    expect(JSON.stringify(seen)).not.toContain("a secret");
    // Whoever joins the room again says what it wants now.
    operator.send("leave_room", { roomId: "admin:trace-1" });
    operator.send("join_room", { roomId: "admin:trace-1", user: "ben", payloads: true });
    await until(async () => {
      await ben.ask("send_message", { roomId: "chat:traced", content: "a secret" });
      return JSON.stringify(await entries()).includes("a secret");
    });
    operator.close();
    ben.close();
  });

  it("shows no token in a trace, neither one that is refreshed nor a guest's", async () => {
    const operator = await operate();
    const dan = await nodes.open(nodes.there, "dan");
    operator.send("join_room", { roomId: "admin:trace-3", user: "dan", payloads: true });
    await operator.next("joined_room");
    const traced = () => JSON.stringify(operator.received.filter(({ type }) => type === "traced"));
    await until(async () => {
      await dan.ask("ping", { echo: "seen" });
      return traced().includes("seen");
    });
    const token = await nodes.token("dan");
    await dan.ask("authenticate", { token });
    await until(() => traced().includes('"authenticate"'));
    expect(traced()).not.toContain(token.slice(0, 30));
    operator.close();
    dan.close();
  });

  it("traces a room, and stops when nobody looks", async () => {
    const operator = await operate(1);
    const ada = await nodes.open(nodes.here, "ada");
    await join(ada, "chat:watched");
    operator.send("join_room", { roomId: "admin:trace-2", room: "chat:watched" });
    await operator.next("joined_room");
    await until(async () => {
      await ada.ask("send_message", { roomId: "chat:watched", content: "x" });
      return operator.received.some(({ payload }) => JSON.stringify(payload).includes("new_message"));
    });
    const traces = async () => /yamabiko_traces (\d+)/.exec(await nodes.there.metrics())?.[1];
    expect(Number(await traces())).toBeGreaterThan(0);
    operator.close();
    await until(async () => (await traces()) === "0", 25_000);
    ada.close();
  });

  it("has rooms that no user joins, whatever the token claims, and that say nothing in the specification", async () => {
    const token = await nodes.token("eve", 60_000, { "*": ["read", "write", "admin"] });
    const eve = await nodes.open(nodes.here, "eve", token);
    const ack = await eve.ask("join_room", { roomId: "admin:trace-1", user: "ada" });
    expect(ack).toMatchObject({ success: false, error: { code: "access_denied" } });
    expect(await (await fetch(`${nodes.here.url}/asyncapi.json`)).text()).not.toContain('"admin');
    eve.close();
  });

  it("is an operator in its own rooms and of dashboards, and no member of anything", async () => {
    const operator = await operate();
    operator.send("join_room", { roomId: "dashboard:system" });
    await operator.next("joined_room");
    for (const roomId of ["chat:lobby", "user:ada", "document:readme"]) {
      expect(await operator.ask("join_room", { roomId })).toMatchObject({ success: false });
    }
    const room = await get<{ members: { count: number } }>("/api/rooms/dashboard:system");
    expect(room.members.count).toBe(0);
    operator.close();
  });

  it("CLS-3 empties a node while another takes its clients, and lets them in again", async () => {
    const ada = await nodes.open(nodes.there, "ada");
    const { nodes: both } = await get<{ nodes: { nodeId: string; connections: number }[] }>("/api/nodes", 1);
    const nodeId = both[0]!.nodeId;
    expect((await post("/api/drain", { nodeId, isDraining: true })).status).toBe(200);
    expect((await ada.next("server_closing")).payload).toEqual({ reconnectInMs: 0 });
    expect((await ada.closed).code).toBe(1012);
    expect((await fetch(`${nodes.there.url}/readyz`)).status).toBe(503);
    const headers = { Authorization: `Bearer ${await nodes.token("ada")}` };
    expect((await upgrade(nodes.there.url, { headers })).status).toBe(503);
    // Somebody must be there for them.
    const other = both[1]!.nodeId;
    expect((await post("/api/drain", { nodeId: other, isDraining: true })).body.error?.code).toBe("conflict");
    expect((await post("/api/drain", { nodeId, isDraining: false })).status).toBe(200);
    expect((await upgrade(nodes.there.url, { headers })).status).toBe(101);
  });

  it.each([
    ["/api/connections?order=size", "GET"],
    ["/api/connections?limit=0", "GET"],
    ["/api/rooms/chat:lobby/log?before=x", "GET"],
    ["/api/announce", "POST"],
    ["/api/disconnect", "POST"],
  ])("refuses what it does not understand: %s", async (path, method) => {
    const body = method === "POST" ? JSON.stringify({ text: 1 }) : undefined;
    const response = await fetch(`${urls[0]}${path}`, { method, headers: HEADERS, ...(body && { body }) });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { code: "invalid_message" } });
  });
});

/** Somebody who joins a room and then reads nothing any more. */
async function stalled(node: Node, token: string, roomId: string) {
  const socket = connect(Number(new URL(node.url).port), "127.0.0.1");
  const client = new WebSocket(node.wsUrl, {
    createConnection: () => socket,
    headers: { Authorization: `Bearer ${token}` },
  });
  const joined = new Promise<void>((resolve) => {
    client.on("message", (bytes) => {
      if (String(bytes).includes('"joined_room"')) resolve();
    });
  });
  client.on("error", () => {});
  client.on("open", () => client.send(JSON.stringify({ type: "join_room", payload: { roomId } })));
  await joined;
  socket.pause();
  return socket;
}
