import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket as WsWebSocket } from "ws";
import { signToken } from "../../../src/auth/jwt.ts";
import { createMemoryBus, createMemoryHub, type MemoryHub } from "../../../src/bus/memory.ts";
import { gameCodec, joinGame } from "../../../src/client/game/index.ts";
import { createClient } from "../../../src/client/node.ts";
import { axis, defineGame, game, q16 } from "../../../src/features/index.ts";
import type { Log } from "../../../src/log/log.ts";
import { createMemoryLog } from "../../../src/log/memory.ts";
import { startServer, until } from "../../harness.ts";

const meadow = defineGame({
  schema: {
    player: { x: q16(0, 1_000, 1 / 8), y: q16(0, 1_000, 1 / 8) },
    input: { dx: axis(), dy: axis() },
  },
  onJoin: () => ({ values: { x: 500, y: 500 }, profile: { score: 7 } }),
  step(_world, inputs, dt) {
    for (const [player, { dx }] of inputs) player.x += dx * 300 * dt;
  },
  rules(_world, host) {
    if (!host.things.has("orb")) host.putThing("orb", { x: 1 });
  },
  commands: {
    shout: { run: (_world, { word }, from, host) => host.setProfile(from.id, { said: String(word) }) },
    refuse: {
      run() {
        throw new TypeError("a fault of the game's own");
      },
    },
  },
});

type Server = Awaited<ReturnType<typeof startServer>>;

const SECRET = "a secret of two nodes, long enough for it";

describe("a game on two nodes", () => {
  let hub: MemoryHub;
  let log: Log;
  let servers: Server[];
  const closing: (() => void)[] = [];
  beforeEach(async () => {
    hub = createMemoryHub();
    log = createMemoryLog();
    const options = () => ({
      // Closed by nobody: the other node still needs it.
      log: new Proxy(log, { get: (target, name) => (name === "close" ? async () => {} : bound(target, name)) }),
      bus: createMemoryBus({ hub }),
      namespaces: [game({ meadow })],
      auth: { secret: SECRET },
    });
    servers = [await startServer(options()), await startServer(options())];
  });
  afterEach(async () => {
    for (const close of closing.splice(0)) close();
    await Promise.all(servers.map((server) => server.close()));
  });

  function bound(target: Log, name: string | symbol): unknown {
    const value = Reflect.get(target, name) as unknown;
    return typeof value === "function" ? value.bind(target) : value;
  }

  /** @param nodes where to go, in turn. */
  async function play(user: string, nodes: Server[]) {
    let attempt = 0;
    const client = createClient("ws://somewhere/ws", {
      token: await signToken(SECRET, { user, expiresInMs: 600_000 }),
      codec: gameCodec(),
      transports: ["websocket"],
      reconnectInterval: 20,
      maxReconnectInterval: 100,
      WebSocket: class extends globalThisWebSocket() {
        constructor(_url: string, protocols: string[]) {
          super(nodes[attempt++ % nodes.length]!.wsUrl, protocols);
        }
      } as never,
    });
    client.on("error", () => {});
    const ticks: number[] = [];
    const joined = joinGame(client, "game:meadow", meadow, { onTick: ({ tick }) => ticks.push(tick) });
    const timer = setInterval(() => joined.frame(), 10);
    closing.push(() => {
      clearInterval(timer);
      client.close();
    });
    await joined.room.joined;
    await until(() => joined.frame().me !== null);
    return { client, game: joined, ticks, x: () => joined.frame().me?.x ?? Number.NaN };
  }

  const seenBy = (watcher: Awaited<ReturnType<typeof play>>, id: string): number =>
    watcher.game.frame().players.find((player) => player.id === id)?.x ?? Number.NaN;

  it("GAME-11 is one world: those on the other node play in it, and see it", async () => {
    const ann = await play("ann", [servers[0]!]);
    const bob = await play("bob", [servers[1]!]);
    await until(() => !Number.isNaN(seenBy(ann, "bob")) && !Number.isNaN(seenBy(bob, "ann")));
    ann.game.setInput({ dx: 1 });
    bob.game.setInput({ dx: -1 });
    await until(() => seenBy(bob, "ann") > 560 && seenBy(ann, "bob") < 440);
    expect(bob.game.things.get("orb")).toEqual({ x: 1 });
    expect(bob.game.profiles.get("ann")).toMatchObject({ score: 7 });
    // Where both are said to be is the same at every tick that both got.
    for (const { game: each } of [ann, bob]) each.setInput({ dx: 0 });
    await until(() => Math.abs(seenBy(ann, "bob") - bob.x()) < 1 && Math.abs(seenBy(bob, "ann") - ann.x()) < 1);
    expect(await bob.game.command("shout", { word: "yahoo" })).toMatchObject({ success: true });
    await until(() => ann.game.profiles.get("bob")?.said === "yahoo");
    await expect(bob.game.command("no_such_thing")).rejects.toMatchObject({ code: "unknown_type" });
    bob.game.leave();
    await until(() => !ann.game.profiles.has("bob"));
  });

  it("GAME-11 goes on where it was when the node that led it is gone", async () => {
    const ann = await play("ann", [servers[0]!]);
    const bob = await play("bob", [servers[0]!, servers[1]!]);
    const cat = await play("cat", [servers[1]!]);
    bob.game.setInput({ dx: 1 });
    await until(() => bob.x() > 600 && seenBy(cat, "bob") > 600);
    bob.game.setInput({ dx: 0 });
    await bob.game.command("shout", { word: "remember" });
    await until(() => cat.game.profiles.get("bob")?.said === "remember");
    // Where an input is late the one before is repeated, for half a second at most.
    const stopped = cat.ticks.length;
    await until(() => cat.ticks.length > stopped + 40);
    await until(() => Math.abs(seenBy(cat, "bob") - bob.x()) < 1);
    const [place, ticks] = [bob.x(), cat.ticks.length];
    const gone = servers[0]!;
    ann.client.close();
    await gone.close();
    await until(() => cat.ticks.length > ticks + 60, 20_000);
    await until(() => bob.client.status === "connected" && !Number.isNaN(bob.x()), 20_000);
    await until(() => Math.abs(bob.x() - place) < 5 && Math.abs(seenBy(cat, "bob") - place) < 5);
    expect(cat.game.profiles.get("bob")).toMatchObject({ said: "remember", score: 7 });
    // And it is led: what is wanted has its effect.
    cat.game.setInput({ dx: -1 });
    await until(() => seenBy(bob, "cat") < 460);
  });
});

function globalThisWebSocket(): new (url: string, protocols: string[]) => object {
  return WsWebSocket as never;
}
