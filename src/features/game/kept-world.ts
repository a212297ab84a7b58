import type { AnyGame } from "../../protocol/game/game.ts";
import { Snapshot } from "../../protocol/game/snapshot.ts";
import { SnapshotDecoder } from "../../protocol/game/snapshot-codec.ts";
import { type Json, YamabikoError } from "../../protocol/index.ts";
import type { OpenRoom } from "../../session/namespace.ts";
import { openNote } from "./note.ts";
import type { PlayerEntry } from "./simulation.ts";

/** How often a world is kept, ms. */
const KEEP_MS = 1_000;
/** A larger world is kept less often: not more than this, characters per second. */
const KEPT_PER_SECOND = 64 * 1024;
/** A world that takes more than this is not kept, characters. */
const KEPT_CHARS = 1024 * 1024;
/** A world that was kept longer ago than this is over, ms: nobody has come back to it. */
const COUNTS_MS = 60_000;
/** How long to wait before asking again a log that did not answer, ms. */
const RETRY_MS = 200;
/** A world is of no event: its snapshot is that of seq 0, and each takes the place of the one before. */
const SEQ = 0;

/** A world as it was at one moment, and all that is needed to go on with it. */
export interface World {
  /** The reign it is of. */
  readonly fence: number;
  /** Null when only the entries are known. */
  readonly snapshot: Snapshot | null;
  readonly entries: ReadonlyMap<string, PlayerEntry>;
  readonly things: ReadonlyMap<string, Json>;
  /** How long ago it was so, ms. */
  readonly ageMs: number;
}

/** What is written of a world. */
interface Written {
  /** The version of the game's definition. */
  readonly signature: string;
  /** When it was so, ms since 1970. */
  readonly at: number;
  /** The whole tick, as other nodes are told it, in base64. */
  readonly note: string;
  readonly players: { readonly [id: string]: PlayerEntry };
  readonly things: { readonly [key: string]: Json };
}

/**
 * What the leader of a world keeps of it in the log, for a leader that never heard of it: that of a node that served nobody there
 * when all who played lost theirs, or of one that is started again. One world of a room is kept, each in the place of the one
 * before, and nobody reads it but the next leader. The log takes it only from who leads.
 */
export class KeptWorld {
  readonly #game: AnyGame;
  readonly #room: OpenRoom;
  #dueAt = 0;
  #isUnderWay = false;

  constructor(game: AnyGame, room: OpenRoom) {
    this.#game = game;
    this.#room = room;
  }

  /** Whether it is time to keep it again. */
  get isDue(): boolean {
    return !this.#isUnderWay && this.#room.clock.monotonic() >= this.#dueAt;
  }

  /** Keeps a world. @param note its newest tick; it names the reign. */
  keep(
    fence: number,
    note: Uint8Array,
    entries: ReadonlyMap<string, PlayerEntry>,
    things: ReadonlyMap<string, Json>,
  ): void {
    const written: Written = {
      signature: this.#game.layout.signature,
      at: this.#room.clock.now(),
      note: Buffer.from(note).toString("base64"),
      players: Object.fromEntries(entries),
      things: Object.fromEntries(things),
    };
    const text = JSON.stringify(written);
    const pauseMs = Math.max(KEEP_MS, (text.length * 1_000) / KEPT_PER_SECOND);
    this.#dueAt = this.#room.clock.monotonic() + pauseMs;
    if (text.length <= KEPT_CHARS) void this.#put(fence, text);
    else this.#room.failure("keeping a game's world", new Error(`it takes ${text.length} characters`));
  }

  /** The world is over: the next one begins anew. */
  drop(fence: number): void {
    void this.#put(fence, "null");
  }

  /**
   * The world that was kept; null when there is none, it was kept too long ago, or it is of another version of the game. A log that
   * is away is asked until it answers.
   * @param isWanted when it is not any more, null is given at once.
   */
  async read(isWanted: () => boolean): Promise<World | null> {
    while (isWanted()) {
      try {
        const kept = await this.#room.snapshot();
        return kept === null ? null : this.#open(kept.data);
      } catch (error) {
        this.#room.failure("reading a game's world", error);
        await new Promise<void>((resolve) => this.#room.clock.setTimer(resolve, RETRY_MS));
      }
    }
    return null;
  }

  async #put(fence: number, text: string): Promise<void> {
    this.#isUnderWay = true;
    try {
      await this.#room.putSnapshot(SEQ, text, fence);
    } catch (error) {
      // Who does not lead any more keeps nothing.
      const isOver = error instanceof YamabikoError && error.code === "conflict";
      if (!isOver) this.#room.failure("keeping a game's world", error);
    } finally {
      this.#isUnderWay = false;
    }
  }

  #open(text: string): World | null {
    const { layout } = this.#game;
    try {
      const written = JSON.parse(text) as Written | null;
      if (written === null || written.signature !== layout.signature) return null;
      // The clocks of two nodes are not the same.
      const ageMs = Math.max(0, this.#room.clock.now() - written.at);
      if (ageMs > COUNTS_MS) return null;
      const { fence, tick, bits } = openNote(Buffer.from(written.note, "base64"));
      const snapshot = new Snapshot(layout);
      new SnapshotDecoder(layout).decode(bits, tick, null, snapshot);
      const { players, things } = written;
      return { fence, snapshot, entries: mapOf(players), things: mapOf(things), ageMs };
    } catch (error) {
      this.#room.failure("opening a game's world", error);
      return null;
    }
  }
}

function mapOf<V>(members: { readonly [key: string]: V }): Map<string, V> {
  return new Map(Object.entries(members));
}
