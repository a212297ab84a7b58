import { MAX_BASE_TICKS, tickHead } from "../../protocol/game/frame.ts";
import type { AnyGame } from "../../protocol/game/game.ts";
import type { Snapshot, SnapshotRing } from "../../protocol/game/snapshot.ts";
import { type SlotMask, SnapshotEncoder } from "../../protocol/game/snapshot-codec.ts";
import type { Values } from "../../protocol/game/world-model.ts";
import type { JsonObject } from "../../protocol/index.ts";
import type { ReaderContext, TickSource } from "../../session/namespace.ts";
import { Interest } from "./interest.ts";

/** What the frames of a game are made of. */
export interface FrameParts {
  readonly roomId: string;
  readonly game: AnyGame;
  /** The newest snapshots; another ring when the world is led by another. */
  ring(): SnapshotRing;
  /** Who has a slot. */
  idOf(slot: number): string | undefined;
  slotOf(id: string): number | undefined;
  /** ms since 1970. */
  now(): number;
}

/** What a reader was told last. */
interface Told {
  readonly tick: number;
  readonly mask: SlotMask;
}

/** Makes of a game's snapshots what its readers are given: differences in bits, or `game_state` in text. */
export class Frames implements TickSource {
  readonly perSecond: number;
  readonly textPerSecond: number;
  readonly maxBase = MAX_BASE_TICKS;
  readonly bytesFor?: (reader: ReaderContext, base: number | null) => Uint8Array;
  readonly textFor?: (reader: ReaderContext) => { type: string; payload: JsonObject };
  readonly #parts: FrameParts;
  readonly #encoder: SnapshotEncoder;
  readonly #interest: Interest | null;
  readonly #told = new WeakMap<ReaderContext, Told>();
  /** The tick the interest was made of. */
  #lookedAt: Snapshot | null = null;
  #lookedTick = -1;

  constructor(parts: FrameParts) {
    const { game } = parts;
    this.#parts = parts;
    this.perSecond = game.tick;
    this.textPerSecond = game.jsonHz;
    this.#encoder = new SnapshotEncoder(game.layout);
    this.#interest = game.view === undefined ? null : new Interest({ layout: game.layout, view: game.view });
    if (this.#interest === null) return;
    this.bytesFor = (reader, base) => this.#bytesFor(reader, base);
    this.textFor = (reader) => this.#text(this.#maskFor(reader));
  }

  /** Before the first step of a world, and when it is over. */
  get isEmpty(): boolean {
    return this.#parts.ring().newest === null;
  }

  wants({ options }: ReaderContext): "bytes" | "text" {
    return options.format === "binary" ? "bytes" : "text";
  }

  bytes(base: number | null): Uint8Array {
    const now = this.#newest();
    const before = base === null ? null : this.#parts.ring().at(base);
    return this.#encode(now, before === null ? null : { snapshot: before, mask: before.present }, now.present);
  }

  text(): { type: string; payload: JsonObject } {
    return this.#text(this.#newest().present);
  }

  /** The whole world for another node. @param head what it needs to know first. */
  whole(head: Uint8Array): Uint8Array {
    const now = this.#newest();
    return this.#encoder.encode(now, null, now.present, head);
  }

  #bytesFor(reader: ReaderContext, base: number | null): Uint8Array {
    const now = this.#newest();
    const mask = this.#maskFor(reader);
    const told = this.#told.get(reader);
    const before = base === null || told?.tick !== base ? null : this.#parts.ring().at(base);
    const bytes = this.#encode(now, before === null ? null : { snapshot: before, mask: told!.mask }, mask);
    this.#told.set(reader, { tick: now.tick, mask });
    return bytes;
  }

  #encode(now: Snapshot, base: { snapshot: Snapshot; mask: SlotMask } | null, mask: SlotMask): Uint8Array {
    const head = tickHead({ roomId: this.#parts.roomId, tick: now.tick, base: base?.snapshot.tick ?? null });
    return this.#encoder.encode(now, base, mask, head);
  }

  /** Whom a reader sees: a player those around it, who only watches everybody. */
  #maskFor({ user, options }: ReaderContext): SlotMask {
    const now = this.#newest();
    const slot = options.spectate ? undefined : this.#parts.slotOf(user.id);
    if (slot === undefined || now.present[slot] !== 1) return now.present.slice();
    if (this.#lookedAt !== now || this.#lookedTick !== now.tick) {
      this.#interest!.look(now);
      this.#lookedAt = now;
      this.#lookedTick = now.tick;
    }
    return this.#interest!.around(slot);
  }

  #text(mask: SlotMask): { type: string; payload: JsonObject } {
    const now = this.#newest();
    const { layout } = this.#parts.game;
    const players: JsonObject[] = [];
    const acks: JsonObject = {};
    for (let slot = 0; slot < now.slots; slot++) {
      const id = mask[slot] === 1 ? this.#parts.idOf(slot) : undefined;
      if (id === undefined) continue;
      const player: JsonObject = { id };
      layout.player.forEach(({ name, field }, index) => {
        player[name] = brief(field.fromWire(now.columns[index]![slot]!));
      });
      players.push(player);
      acks[id] = now.acks[slot]!;
    }
    const payload: JsonObject = { players, timestamp: this.#parts.now(), tick: now.tick, acks };
    if (layout.world.length > 0) {
      const world: Values = {};
      layout.world.forEach(({ name, field }, index) => {
        world[name] = brief(field.fromWire(now.world[index]!));
      });
      payload.world = world;
    }
    return { type: "game_state", payload };
  }

  #newest(): Snapshot {
    return this.#parts.ring().newest!;
  }
}

/** No more digits than the finest field has. */
function brief(value: number | boolean): number | boolean {
  return typeof value === "number" ? Math.round(value * 1e4) / 1e4 : value;
}
