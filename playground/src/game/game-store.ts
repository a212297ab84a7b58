import { type Client, type ClientStatus, createClient } from "yamabiko/client";
import { type GameStats, gameCodec, type JoinedGame, joinGame } from "yamabiko/client/game";
import { arena, type RoundEnd } from "../../../src/server/arena.ts";
import type { Connection } from "../connection/client-context.tsx";
import { delayedSocket, NO_TROUBLE, type Trouble } from "./delayed-socket.ts";

/** How often numbers on the page change, ms. */
const SHOWN_MS = 250;

type Schema = (typeof arena)["schema"];
/** The arena as this window plays it. */
export type Arena = JoinedGame<Schema["player"], NonNullable<Schema["world"]>, Schema["input"]>;

/** One line of the board. */
export interface Standing {
  readonly id: string;
  readonly name: string;
  readonly score: number;
  readonly hue: number;
  readonly isMe: boolean;
  readonly isBot: boolean;
}

/** What the page shows besides the arena itself. */
export interface GameView {
  readonly status: ClientStatus | "refused";
  readonly refusal: string;
  readonly isReady: boolean;
  readonly standings: readonly Standing[];
  readonly bots: number;
  readonly seconds: number;
  readonly round: RoundEnd | null;
  readonly stats: GameStats;
  readonly transport: string;
  readonly trouble: Trouble;
}

/** Plays in the arena: a client of its own, so that a bad network can be made for it alone. */
export class GameStore {
  readonly game: Arena;
  readonly #client: Client;
  readonly #listeners = new Set<() => void>();
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #stops: (() => void)[] = [];
  #trouble: Trouble = NO_TROUBLE;
  #refusal: string | null = null;
  #view: GameView;

  constructor(connection: Connection) {
    const isOffline = (): boolean => connection.client.status === "closed";
    this.#client = createClient(`${window.location.origin}/ws`, {
      token: connection.token,
      codec: gameCodec(),
      WebSocket: delayedSocket(() => this.#trouble) as never,
      autoConnect: !isOffline(),
    });
    connection.keepSignedIn(this.#client);
    this.game = joinGame(this.#client, "game:arena", arena);
    this.game.room.on("failed", ({ code, message }) => {
      this.#refusal = code === "unknown_type" ? "" : message;
      this.#change();
    });
    this.game.room.on("error", () => {});
    this.#client.on("error", () => {});
    this.#client.on("status", () => this.#change());
    // Whoever goes offline on purpose is offline here too.
    this.#stops.push(
      connection.client.on("status", () => {
        if (isOffline()) this.#client.disconnect();
        else if (this.#client.status === "closed") this.#client.connect();
      }),
    );
    this.#view = this.#look();
    this.#timer = setInterval(() => this.#change(), SHOWN_MS);
  }

  readonly subscribe = (changed: () => void): (() => void) => {
    this.#listeners.add(changed);
    return () => void this.#listeners.delete(changed);
  };

  readonly getSnapshot = (): GameView => this.#view;

  setTrouble(trouble: Trouble): void {
    this.#trouble = trouble;
    this.#change();
  }

  setBots(count: number): void {
    this.game.command("set_bots", { count }).catch(() => {}); // said again by whoever wants it
  }

  cut(): void {
    this.#client.cut();
  }

  close(): void {
    clearInterval(this.#timer);
    for (const stop of this.#stops) stop();
    this.#client.close();
  }

  #change(): void {
    this.#view = this.#look();
    for (const changed of this.#listeners) changed();
  }

  #look(): GameView {
    const { game } = this;
    const me = this.#client.user?.id;
    const standings = Array.from(game.profiles, ([id, { name, score, hue, bot }]) => ({
      id,
      name,
      score: Number(score ?? 0),
      hue: Number(hue ?? 0),
      isMe: id === me,
      isBot: bot === true,
    })).sort((a, b) => b.score - a.score || a.name.localeCompare(b.name));
    return {
      status: this.#refusal === null ? this.#client.status : "refused",
      refusal: this.#refusal ?? "",
      isReady: game.isReady,
      standings,
      bots: standings.filter(({ isBot }) => isBot).length,
      seconds: game.isReady ? game.frame().world.seconds : 0,
      round: (game.things.get("round") as RoundEnd | undefined) ?? null,
      stats: game.stats,
      transport: this.#client.transport,
      trouble: this.#trouble,
    };
  }
}
