import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { gameCodec, type JoinedGame, joinGame } from "../../../src/client/game/index.ts";
import { createClient } from "../../../src/client/node.ts";
import { axis, defineGame, game, q16 } from "../../../src/features/index.ts";
import { YamabikoError } from "../../../src/protocol/index.ts";
import { RawSocket, textFrame } from "../../attack/raw-socket.ts";
import { devToken, RawClient, startServer, until } from "../../harness.ts";

const SPEED = 300;

const meadow = defineGame({
  schema: {
    player: { x: q16(0, 1_000, 1 / 8), y: q16(0, 1_000, 1 / 8) },
    input: { dx: axis(), dy: axis() },
  },
  onJoin: () => ({ values: { x: 500, y: 500 }, profile: { score: 0 } }),
  step(_world, inputs, dt) {
    for (const [player, { dx, dy }] of inputs) {
      player.x += dx * SPEED * dt;
      player.y += dy * SPEED * dt;
    }
  },
  rules(_world, host) {
    if (!host.things.has("orb")) host.putThing("orb", { x: 1, y: 2 });
  },
  commands: {
    shout: {
      run(_world, { word }, from, host) {
        if (typeof word !== "string") throw new YamabikoError("invalid_message", "A word, please.");
        host.setProfile(from.id, { said: word.slice(0, 20) });
      },
    },
  },
});

/** As `meadow`, told in full text at every tick, and full of bots. */
const crowd = defineGame({
  ...meadow,
  jsonHz: 60,
  maxPlayers: 600,
  rules(world, host) {
    for (let index = 0; world.tick === 1 && index < 500; index++) host.addBot(`bot-${index}`, { name: `Bot ${index}` });
    for (const player of world.players) {
      if (host.isBot(player.id)) host.setInput(player, { dx: Math.sin(world.tick / 20 + player.slot) });
    }
  },
});

type Server = Awaited<ReturnType<typeof startServer>>;
type Meadow = JoinedGame<(typeof meadow)["schema"]["player"], Record<never, never>, (typeof meadow)["schema"]["input"]>;

describe("a game", () => {
  let server: Server;
  const closing: (() => void)[] = [];
  beforeEach(async () => {
    server = await startServer({ namespaces: [game({ meadow, "crowd*": crowd })] });
  });
  afterEach(async () => {
    for (const close of closing.splice(0)) close();
    await server.close();
  });

  async function play(
    user: string,
    options: Parameters<typeof joinGame>[3] = {},
    transports?: ["sse"] | ["long-polling"] | ["polling"],
  ) {
    const client = createClient(server.wsUrl, {
      token: await devToken(server.url, user),
      codec: gameCodec(),
      transports,
      pollIntervalMs: 50,
      reconnectInterval: 10,
    });
    client.on("error", () => {});
    const joined = joinGame(client, "game:meadow", meadow, options);
    const timer = setInterval(() => joined.frame(), 10);
    closing.push(() => {
      clearInterval(timer);
      client.close();
    });
    await joined.room.joined;
    return { client, game: joined };
  }

  const me = ({ frame }: Pick<Meadow, "frame">, of: Meadow) => frame.call(of).me;
  const xOf = (of: Meadow): number => me(of, of)?.x ?? Number.NaN;

  it("GAME-1 says who plays and what is there, to whoever joins with the same rules", async () => {
    const client = await RawClient.open(server, "ann");
    closing.push(() => client.close());
    await client.join("game:meadow");
    await client.next((envelope) => envelope.type === "game_player");
    await client.next((envelope) => envelope.type === "game_thing");
    const other = await RawClient.open(server, "bob");
    closing.push(() => other.close());
    const joined = await other.join("game:meadow", { spectate: true, signature: meadow.layout.signature });
    expect(joined.payload).toMatchObject({
      state: { players: { ann: { slot: 0, name: "ann", score: 0 } }, things: { orb: { x: 1, y: 2 } } },
      you: { playerId: "bob", spectate: true, ticksPerSecond: 60, signature: meadow.layout.signature },
    });
    other.send("join_room", { roomId: "game:meadow", signature: "another" });
    expect((await other.next("error")).payload).toMatchObject({ code: "conflict" });
    other.send("join_room", { roomId: "game:nowhere" });
    expect((await other.next("error")).payload).toMatchObject({ code: "unknown_type" });
    other.send("join_room", { roomId: "game:meadow", format: "morse" });
    expect((await other.next("error")).payload).toMatchObject({ code: "invalid_message" });
    // Who watches plays no part, whatever it sends.
    expect(await other.ask("player_input", { roomId: "game:meadow", seq: 1, input: { dx: 1 } })).toMatchObject({
      success: true,
      taken: false,
    });
  });

  it("plays in ticks of bits, and those who play see each other", async () => {
    const [ann, bob] = [await play("ann"), await play("bob")];
    await until(() => me(ann.game, ann.game) !== null && me(bob.game, bob.game) !== null);
    ann.game.setInput({ dx: 1 });
    await until(() => xOf(ann.game) > 560);
    ann.game.setInput({ dx: 0 });
    await until(() => {
      const seen = bob.game.frame().players.find(({ id }) => id === "ann");
      return seen !== undefined && Math.abs(seen.x - xOf(ann.game)) < 1;
    });
    expect(bob.game.frame().players.map(({ id, isMe }) => [id, isMe])).toEqual([
      ["ann", false],
      ["bob", true],
    ]);
    expect(xOf(bob.game)).toBe(500);
    expect(bob.game.things.get("orb")).toEqual({ x: 1, y: 2 });
    expect(ann.game.stats.rttMs).not.toBeNull();
  });

  it("runs no more games at once than it may, however many are joined at once", async () => {
    const small = await startServer({ namespaces: [game(meadow, { maxRunning: 2 })] });
    closing.push(() => void small.close());
    const client = await RawClient.open(small, "ann");
    closing.push(() => client.close());
    for (let index = 0; index < 6; index++) client.send("join_room", { roomId: `game:g${index}` }, `j${index}`);
    const answers = () => client.received.filter(({ type }) => type === "ack");
    await until(() => answers().length === 6);
    const refused = answers().flatMap(({ payload }) => (payload as { error?: { code: string } }).error?.code ?? []);
    expect(refused).toEqual(["unavailable", "unavailable", "unavailable", "unavailable"]);
  });

  it("GAME-9 tells those who read JSON what the origin's clients expect, and takes what they send", async () => {
    const client = await RawClient.open(server, "ann");
    closing.push(() => client.close());
    await client.join("game:meadow");
    const state = (await client.next("game_state")).payload as { players: object[]; timestamp: number };
    expect(state.players).toEqual([{ id: "ann", x: 500, y: 500 }]);
    expect(Math.abs(Date.now() - state.timestamp)).toBeLessThan(60_000);
    // Without `seq` and `input`, as in the origin's snippet.
    const timer = setInterval(() => client.send("player_input", { roomId: "game:meadow", dx: 1, userId: "bob" }), 50);
    closing.push(() => clearInterval(timer));
    await client.next(({ type, payload }) => {
      const [player] = type === "game_state" ? (payload as { players: { x: number }[] }).players : [];
      return player !== undefined && player.x > 530;
    });
  });

  it.each([["sse"], ["long-polling"], ["polling"]] as const)("GAME-9 is played over %s too", async (transport) => {
    const { game: played } = await play("ann", {}, [transport]);
    await until(() => me(played, played) !== null);
    played.setInput({ dx: -1 });
    await until(() => xOf(played) < 470);
    expect(played.stats.tick).toBeGreaterThan(0);
  });

  it("GAME-9 comes to an EventSource as it is", async () => {
    const stop = new AbortController();
    closing.push(() => stop.abort());
    const token = await devToken(server.url, "ann");
    const response = await fetch(`${server.url}/api/events?roomId=game:meadow&spectate=1`, {
      headers: { Authorization: `Bearer ${token}`, Accept: "text/event-stream" },
      signal: stop.signal,
    });
    let text = "";
    const decoder = new TextDecoder();
    for await (const chunk of response.body!) {
      text += decoder.decode(chunk as Uint8Array, { stream: true });
      if (/event: game_state\ndata: .*\n\n/.test(text)) break;
    }
    expect(text).toMatch(/event: game_state\ndata: \{"type":"game_state","payload":\{"players":\[\]/);
  });

  it("[case 32] [article 6] GAME-6 GAME-7 takes no nonsense, and goes on", async () => {
    const [victim, villain] = [await play("victim"), await RawClient.open(server, "villain")];
    closing.push(() => villain.close());
    await villain.join("game:meadow");
    await until(() => villain.received.some(({ type }) => type === "game_state"));
    const roomId = "game:meadow";
    for (const payload of [
      { roomId, seq: -1, input: {} },
      { roomId, seq: 1.5, input: {} },
      { roomId, seq: "1", input: {} },
      { roomId, seq: 1, input: [1] },
      { roomId, seq: 1, input: "left" },
      { roomId, seq: 1, input: {}, tick: -7 },
    ]) {
      expect((await villain.ask("player_input", payload)).error).toMatchObject({ code: "invalid_message" });
    }
    expect(await villain.ask("player_input", { roomId, seq: 9, input: { x: 0, userId: "victim" } })).toMatchObject({
      taken: true,
    });
    expect(await villain.ask("player_input", { roomId, seq: 9, input: { dx: 1 } })).toMatchObject({ taken: false });
    expect(await villain.ask("player_input", { roomId, seq: 900, input: { dx: 1 } })).toMatchObject({ taken: false });
    expect(await villain.ask("player_input", { roomId, seq: 10, input: { dx: 1e308 } })).toMatchObject({ taken: true });
    for (let seq = 11; seq < 260; seq++) villain.send("player_input", { roomId, seq, input: { dx: 1, x: 0, y: 0 } });
    expect((await villain.ask("no_such_command", { roomId })).error).toMatchObject({ code: "unknown_type" });
    await until(() => me(victim.game, victim.game) !== null);
    expect(xOf(victim.game)).toBe(500);
    const state = (await villain.next("game_state")).payload as { players: { id: string; x: number }[] };
    // Half a minute of inputs at once is half a second of moving.
    expect(state.players.find(({ id }) => id === "villain")!.x).toBeLessThan(500 + SPEED);
  });

  it("runs the game's own commands, and answers them", async () => {
    const { game: played } = await play("ann");
    await until(() => me(played, played) !== null);
    expect(await played.command("shout", { word: "yahoo" })).toMatchObject({ success: true });
    await until(() => played.profiles.get("ann")?.said === "yahoo");
    await expect(played.command("shout", { word: 1 })).rejects.toMatchObject({ code: "invalid_message" });
  });

  it("GAME-10 finds a player where it was after a drop, and takes it out when it leaves", async () => {
    const [ann, bob] = [await play("ann"), await play("bob")];
    await until(() => me(ann.game, ann.game) !== null);
    ann.game.setInput({ dx: 1 });
    await until(() => xOf(ann.game) > 600);
    ann.game.setInput({ dx: 0 });
    await ann.game.command("shout", { word: "still me" });
    const ticks = ann.game.stats.tick;
    ann.client.cut();
    await until(() => ann.client.status === "connected" && ann.game.isReady && ann.game.stats.tick > ticks);
    await until(() => me(ann.game, ann.game) !== null);
    expect(xOf(ann.game)).toBeGreaterThan(600);
    expect(ann.game.profiles.get("ann")).toMatchObject({ said: "still me", slot: 0 });
    ann.game.leave();
    await until(() => !bob.game.profiles.has("ann"));
    await until(() => bob.game.frame().players.length === 1);
  });

  it("GAME-8 holds little for a client at 64 kbit/s, and delays nobody else", async () => {
    const quick = [await RawClient.open(server, "ann"), await RawClient.open(server, "bob")];
    const slow = await RawSocket.open(server.url);
    closing.push(() => slow.destroy(), ...quick.map((client) => () => client.close()));
    slow.write(
      textFrame(JSON.stringify({ type: "authenticate", payload: { token: await devToken(server.url, "slow") } })),
    );
    for (const client of quick) await client.join("game:crowd", { spectate: true });
    await until(() => quick.every((client) => client.received.some(({ type }) => type === "game_state")));
    slow.write(textFrame(JSON.stringify({ type: "join_room", payload: { roomId: "game:crowd", spectate: true } })));
    await until(() => slow.frames.length > 4);
    // From now on it is given 8,000 bytes a second, where there are more than a million.
    const release = slow.throttle(8_000);
    closing.push(release);
    const held = async (): Promise<number> => {
      const line = (await server.metrics()).match(/^yamabiko_outbox_bytes (\d+)/m);
      return Number(line![1]);
    };
    const leftOut = async (): Promise<number> =>
      Number((await server.metrics()).match(/^yamabiko_ticks_total\{result="left_out"\} (\d+)/m)?.[1] ?? 0);
    let most = 0;
    await until(async () => {
      most = Math.max(most, await held());
      return (await leftOut()) > 10;
    }, 50_000);
    expect(most).toBeLessThan(256 * 1024);
    const ticksOf = (client: RawClient): number[] =>
      client.received.flatMap(({ type, payload }) =>
        type === "game_state" ? [(payload as { tick: number }).tick] : [],
      );
    const [one, two] = quick.map(ticksOf) as [number[], number[]];
    const from = Math.max(one[0]!, two[0]!);
    const to = Math.min(one.at(-1)!, two.at(-1)!);
    const within = (ticks: number[]): number[] => ticks.filter((tick) => tick >= from && tick <= to);
    expect(within(one)).toEqual(within(two));
    expect(within(one).length).toBeGreaterThan(20);
  }, 60_000);
});
