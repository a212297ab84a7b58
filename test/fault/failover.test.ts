import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { gameCodec, joinGame } from "../../src/client/game/index.ts";
import { type Client, createClient } from "../../src/client/node.ts";
import { createRedisLog } from "../../src/log/redis.ts";
import type { Snapshot } from "../../src/protocol/game/snapshot.ts";
import { until } from "../harness.ts";
import { Figures, formatFigures } from "./figures.ts";
import { meadow } from "./meadow.ts";
import { NodeGroup } from "./node-group.ts";
import { type Bundle, bundleCommand, type ServerProcess } from "./server-process.ts";

const IS_FULL = process.env.TEST_RECOVERY === "full";
/** How often each is done. */
const TIMES = IS_FULL ? 10 : 1;
/** How long a leader is stopped, ms. */
const STOPPED_MS = IS_FULL ? 10_000 : 4_000;
/** Within this time somebody else leads, ms; a busy machine needs longer. */
const LED_MS = IS_FULL ? 3_000 : 15_000;

/** One tick as a player was told it. */
interface SeenTick {
  readonly tick: number;
  /** Which process made it: the lowest bits of its id. */
  readonly by: number;
  /** How many steps the world has made. */
  readonly steps: number;
  /** Everything the tick says. */
  readonly world: string;
  /** By the clock of this process, ms. */
  readonly at: number;
}

const enter = (client: Client, onSnapshot: (snapshot: Snapshot) => void) =>
  joinGame(client, "game:meadow", meadow, { onTick: ({ snapshot }) => onSnapshot(snapshot) });

/** Somebody who plays, reads the ticker and the dashboard, and remembers it all. */
class Player {
  readonly name: string;
  readonly client: Client;
  readonly game: ReturnType<typeof enter>;
  readonly ticks: SeenTick[] = [];
  /** When beats of the ticker came, and of which process, ms. */
  readonly beats: { readonly by: number; readonly fence: number; readonly at: number }[] = [];
  /** Which series of the dashboard were told, and when, ms. */
  readonly metrics: { readonly nodes: ReadonlySet<string>; readonly at: number }[] = [];
  /** Who was said to be gone. */
  readonly gone: string[] = [];
  readonly #timer: NodeJS.Timeout;

  /** @param nodes where it goes, in turn. */
  constructor(name: string, token: string, nodes: readonly ServerProcess[]) {
    this.name = name;
    let attempt = 0;
    this.client = createClient("ws://somewhere/ws", {
      token,
      codec: gameCodec(),
      transports: ["websocket"],
      reconnectInterval: 100,
      maxReconnectInterval: 500,
      WebSocket: class extends WebSocket {
        constructor(_url: string, protocols: string[]) {
          super(nodes[attempt++ % nodes.length]!.wsUrl, protocols);
        }
      } as never,
    });
    this.client.on("error", () => {});
    this.game = enter(this.client, (snapshot) => this.ticks.push(seen(snapshot)));
    this.game.room.on("game_player", (payload) => {
      const { userId, player } = payload as { userId: string; player: unknown };
      if (player === null) this.gone.push(userId);
    });
    this.client.join("ticker:beats").on("beat", (payload) => {
      const { by, fence } = payload as { by: number; fence: number };
      this.beats.push({ by, fence, at: performance.now() });
    });
    this.client.join("dashboard:system").on("metrics_update", (payload) => {
      const series = Object.keys((payload as { values: object }).values);
      const nodes = new Set(series.map((name) => name.slice(name.indexOf("@") + 1)));
      this.metrics.push({ nodes, at: performance.now() });
    });
    this.#timer = setInterval(() => this.game.frame(), 10);
  }

  /** Where somebody is drawn; nowhere when it is not there. */
  sees(name: string): number {
    return this.game.frame().players.find(({ id }) => id === name)?.x ?? Number.NaN;
  }

  get newest(): SeenTick {
    return this.ticks.at(-1)!;
  }

  close(): void {
    clearInterval(this.#timer);
    this.client.close();
  }
}

function seen({ tick, slots, present, columns, world }: Snapshot): SeenTick {
  const players = Array.from({ length: slots }, (_, slot) =>
    present[slot] === 1 ? columns.map((column) => column[slot]) : null,
  );
  return { tick, by: world[0]!, steps: world[1]!, world: JSON.stringify([players, ...world]), at: performance.now() };
}

const NAMES = ["ann", "bob", "cat"] as const;

describe("what one node leads, on three nodes", () => {
  let bundle: Bundle;
  beforeAll(async () => {
    bundle = await bundleCommand();
  });
  const stopped = new Figures("leading node stopped: game and ticker go on at the clients of the others");
  const woke = new Figures("it wakes: its clients are given the other node's ticks");
  const killed = new Figures("leading node killed: game and ticker go on at the clients of the others");
  afterAll(async () => {
    await bundle.remove();
    console.info(formatFigures([stopped, woke, killed]));
  });
  const ends: (() => unknown)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  /** Three nodes, of which the first leads, and a player on each that knows the next one too. */
  async function play() {
    const group = await NodeGroup.start({ command: bundle.leadNode });
    ends.push(() => group.stop());
    const players: Player[] = [];
    for (const [index, name] of NAMES.entries()) {
      const ways = [group.nodes[index]!, group.nodes[(index + 1) % 3]!];
      const player = new Player(name, await group.token(name), ways);
      players.push(player);
      ends.push(() => player.close());
      // Who comes first is led by its own node.
      await until(() => player.ticks.length > 0 && player.beats.length > 0, 30_000);
    }
    await until(() => players.every((player) => NAMES.every((name) => !Number.isNaN(player.sees(name)))), 30_000);
    const [ann, bob, cat] = players as [Player, Player, Player];
    await move(ann, players);
    await ann.game.command("shout", { word: "remember" });
    await until(() => players.every(({ game }) => game.profiles.get("ann")?.said === "remember"), 30_000);
    return { group, players, ann, bob, cat };
  }

  /** One of them goes a bit, and everybody sees it where it then stands. */
  async function move(who: Player, players: readonly Player[]): Promise<void> {
    const from = players[0]!.sees(who.name);
    who.game.setInput({ dx: 1 });
    await until(() => players.every((player) => player.sees(who.name) > from + 20), 30_000);
    who.game.setInput({ dx: 0 });
    let before: number[] = [];
    await until(() => {
      const now = players.map((player) => player.sees(who.name));
      const isStill = now.every((place, at) => place === before[at] && Math.abs(place - now[0]!) < 1);
      before = now;
      return isStill;
    }, 30_000);
  }

  /** Nobody was ever told two worlds: whoever got a tick got the same, and each got later and later ones. */
  function judgeTicks(players: readonly Player[]): void {
    const worlds = new Map<number, string>();
    for (const { name, ticks } of players) {
      let last = -1;
      for (const { tick, world } of ticks) {
        if (tick <= last) expect.fail(`${name} was told tick ${tick} after ${last}`);
        last = tick;
        if (world !== (worlds.get(tick) ?? world)) expect.fail(`${name} was told another tick ${tick}`);
        worlds.set(tick, world);
      }
    }
  }

  /** In the log are only beats of whoever led: no older fence after a newer one, and one process for each. */
  async function judgeBeats(group: NodeGroup): Promise<number> {
    const log = await createRedisLog({ url: group.redis.url });
    try {
      const { events } = await log.read("ticker:beats", 0, 100_000, Number.MAX_SAFE_INTEGER);
      const nodes = new Map<number, number>();
      let last = 0;
      for (const { data } of events) {
        const { by, fence } = JSON.parse(data) as { by: number; fence: number };
        expect(fence).toBeGreaterThanOrEqual(last);
        last = fence;
        expect(by).toBe(nodes.get(fence) ?? by);
        nodes.set(fence, by);
      }
      return nodes.size;
    } finally {
      await log.close();
    }
  }

  /** How long it takes until all of them are told something newer, ms. The world counts on from what they had heard of it. */
  async function goesOn(players: readonly Player[], took: Figures, since: number): Promise<void> {
    // What was under way when the leader went has come.
    await new Promise((resolve) => setTimeout(resolve, 300));
    const before = players.map(({ ticks, beats }) => ({ ticks: ticks.length, beats: beats.length }));
    await until(
      () =>
        players.every(({ ticks, beats }, at) => ticks.length > before[at]!.ticks && beats.length > before[at]!.beats),
      LED_MS + 15_000,
    );
    const firsts = players.map(({ ticks }, at) => ticks[before[at]!.ticks]!);
    const gameMs = Math.max(...firsts.map(({ at }) => at - since));
    const tickerMs = Math.max(...players.map(({ beats }, at) => beats[before[at]!.beats]!.at - since));
    took.add(Math.max(gameMs, tickerMs));
    expect(gameMs).toBeLessThan(LED_MS);
    expect(tickerMs).toBeLessThan(LED_MS);
    // The newest that a node knew; readers may have missed a tick on the way.
    const heard = players.map(({ ticks }, at) => ticks[before[at]!.ticks - 1]!.steps);
    for (const { steps } of firsts) {
      expect(steps).toBeGreaterThan(Math.min(...heard));
      expect(steps).toBeLessThanOrEqual(Math.max(...heard) + 10);
    }
  }

  it(
    `[case 54] GAME-10, GAME-11: a game and a ticker go on within 3 s where they were when their node is stopped for ${STOPPED_MS / 1_000} s or killed, and never run twice (${TIMES} times)`,
    async () => {
      for (let time = 0; time < TIMES; time++) {
        const { group, players, ann, bob, cat } = await play();
        const place = cat.sees("ann");

        const others = [bob, cat];
        const stoppedAt = performance.now();
        group.nodes[0]!.signal("SIGSTOP");
        const lasts = others.map(({ newest }) => newest.tick);
        await goesOn(others, stopped, stoppedAt);
        await until(() => performance.now() - stoppedAt >= STOPPED_MS, STOPPED_MS + 10_000);
        const [had, wokenAt] = [ann.ticks.length, performance.now()];
        group.nodes[0]!.signal("SIGCONT");
        // Its own reader noticed nothing but the pause, and is given the world of the other node.
        await until(() => ann.ticks.length >= had + 30, 20_000);
        const woken = ann.ticks.slice(had);
        woke.add(woken[0]!.at - wokenAt);
        await until(() => others.every(({ newest }) => newest.tick > woken.at(-1)!.tick), 20_000);
        // It never ticked on its own: what it told begins where the other node began, not where it was stopped.
        const begun = Math.min(
          ...others.map(
            ({ ticks }, at) => ticks.find(({ at: cameAt, tick }) => tick > lasts[at]! + 60 && cameAt > stoppedAt)!.tick,
          ),
        );
        for (const { tick } of woken) expect(tick).toBeGreaterThanOrEqual(begun);
        expect(players.flatMap(({ gone }) => gone)).toEqual([]);

        const leader = group.nodes.find(({ child }) => child.pid! % 65_536 === bob.newest.by)!;
        const index = group.nodes.indexOf(leader);
        expect(index).toBeGreaterThan(0);
        const left = players.filter((_, at) => at !== index);
        const killedAt = performance.now();
        await leader.kill();
        await goesOn(left, killed, killedAt);
        // Who was on the node that died comes back on another one, as the player it was.
        const wanderer = players[index]!;
        const count = wanderer.ticks.length;
        await until(() => wanderer.ticks.length > count + 30 && !Number.isNaN(wanderer.sees(wanderer.name)), 20_000);
        for (const player of players) {
          expect(Math.abs(player.sees("ann") - place)).toBeLessThan(1);
          expect(player.game.profiles.get("ann")).toMatchObject({ said: "remember", score: 7 });
          expect(player.gone).toEqual([]);
        }
        // And it is led: what is wanted has its effect.
        await move(wanderer, players);
        // The dashboard of the server goes on, with the nodes that are left.
        const told = left[0]!.metrics.length;
        await until(() => left[0]!.metrics.length > told + 2, 20_000);
        for (const { nodes } of left[0]!.metrics.slice(-2)) expect(nodes.size).toBeLessThanOrEqual(2);
        judgeTicks(players);
        expect(await judgeBeats(group)).toBeGreaterThan(1);
        expect(group.failure).toBeNull();
        for (const end of ends.splice(0).reverse()) await end();
      }
    },
    120_000 * TIMES,
  );
});
