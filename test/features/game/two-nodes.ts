import { WebSocket } from "ws";
import { signToken } from "../../../src/auth/jwt.ts";
import { createMemoryBus, createMemoryHub } from "../../../src/bus/memory.ts";
import { gameCodec, joinGame } from "../../../src/client/game/index.ts";
import { createClient } from "../../../src/client/node.ts";
import { axis, defineGame, game, q16, u16 } from "../../../src/features/index.ts";
import type { Log } from "../../../src/log/log.ts";
import { createMemoryLog } from "../../../src/log/memory.ts";
import { YamabikoError } from "../../../src/protocol/index.ts";
import { startServer, until } from "../../harness.ts";

type Server = Awaited<ReturnType<typeof startServer>>;

/** A game with something of everything a world consists of: players, their profiles, its own fields, and things. */
export const arena = defineGame({
  schema: {
    player: { x: q16(0, 1_000, 1 / 8) },
    world: { score: u16() },
    input: { dx: axis() },
  },
  onJoin: () => ({ values: { x: 500 }, profile: { goals: 0 } }),
  step(_world, inputs, dt) {
    for (const [player, { dx }] of inputs) player.x += dx * 300 * dt;
  },
  commands: {
    goal: {
      run(world, _payload, from, host) {
        world.score += 1;
        host.setProfile(from.id, { goals: Number(host.profileOf(from.id).goals) + 1 });
        host.putThing("flag", { by: from.id });
      },
    },
  },
});

const SECRET = "a secret of two nodes, long enough for it";

/** A log and a bus that a node can be cut off from, as if its process were gone: nothing it says then comes to anybody. */
class Cut {
  isCut = false;

  /** Closing it closes nothing: the other node still needs it. */
  log(log: Log): Log {
    const get = (target: Log, name: string | symbol): unknown => {
      if (name === "close") return async () => {};
      const value = Reflect.get(target, name) as unknown;
      if (typeof value !== "function") return value;
      return (...question: unknown[]) =>
        this.isCut ? Promise.reject(new YamabikoError("unavailable", "It is cut off.")) : value.apply(target, question);
    };
    return new Proxy(log, { get });
  }
}

interface OpenNode {
  readonly server: Server;
  readonly cut: Cut;
  readonly bus: ReturnType<typeof createMemoryBus>;
}

/** Two nodes that share a log and a bus in memory, and those who play a game on them. */
export class TwoNodes {
  readonly log = createMemoryLog();
  readonly #hub = createMemoryHub();
  readonly #nodes: OpenNode[] = [];
  readonly #sockets: { readonly node: number; readonly socket: WebSocket }[] = [];
  readonly #players: { close(): void }[] = [];

  static async start(): Promise<TwoNodes> {
    const nodes = new TwoNodes();
    for (const index of [0, 1]) nodes.#nodes[index] = await nodes.#open();
    return nodes;
  }

  async #open(): Promise<OpenNode> {
    const cut = new Cut();
    const bus = createMemoryBus({ hub: this.#hub });
    const server = await startServer({
      log: cut.log(this.log),
      bus,
      namespaces: [game({ arena })],
      auth: { secret: SECRET },
    });
    return { server, cut, bus };
  }

  /** The process of a node is gone, without a word. */
  async kill(index: number): Promise<void> {
    const { cut, bus } = this.#nodes[index]!;
    cut.isCut = true;
    await bus.close();
    for (const { node, socket } of this.#sockets) if (node === index) socket.terminate();
  }

  /** A node ends in order. */
  async end(index: number): Promise<void> {
    await this.#nodes[index]!.server.close();
  }

  /** A node ends in order, and is started again. */
  async restart(index: number): Promise<void> {
    await this.end(index);
    this.#nodes[index] = await this.#open();
  }

  /** Somebody plays. @param nodes where it goes, in turn; at the last one it stays. */
  async play(user: string, nodes: readonly number[]) {
    const connect = (): number => nodes[Math.min(attempt++, nodes.length - 1)]!;
    const [all, sockets] = [this.#nodes, this.#sockets];
    let attempt = 0;
    const client = createClient("ws://somewhere/ws", {
      token: await signToken(SECRET, { user, expiresInMs: 600_000 }),
      codec: gameCodec(),
      transports: ["websocket"],
      reconnectInterval: 20,
      maxReconnectInterval: 100,
      WebSocket: class extends WebSocket {
        constructor(_url: string, protocols: string[]) {
          const node = connect();
          super(all[node]!.server.wsUrl, protocols);
          sockets.push({ node, socket: this });
        }
      } as never,
    });
    client.on("error", () => {});
    const ticks: number[] = [];
    const joined = joinGame(client, "game:arena", arena, { onTick: ({ tick }) => ticks.push(tick) });
    const timer = setInterval(() => joined.frame(), 10);
    const close = (): void => {
      clearInterval(timer);
      client.close();
    };
    this.#players.push({ close });
    await joined.room.joined;
    await until(() => joined.frame().me !== null, 20_000);
    return { game: joined, ticks };
  }

  async close(): Promise<void> {
    for (const player of this.#players) player.close();
    await Promise.all(this.#nodes.map(({ server }) => server.close()));
  }
}
