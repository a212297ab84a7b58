import { turn } from "../../protocol/game/field.ts";
import type { AnyGame, Player } from "../../protocol/game/game.ts";
import { ACK_MASK, type Snapshot } from "../../protocol/game/snapshot.ts";
import { stepWorld, type Values, WorldModel } from "../../protocol/game/world-model.ts";
import { isJump } from "./history.ts";
import { Recent } from "./recent.ts";

/** The most inputs that are done over; what is older was lost. */
const MAX_PENDING = 60;
/** A correction is hardly seen any more after 100 ms: a third of it remains after this long, ms. */
const SMOOTH_MS = 40;

interface Pending {
  readonly seq: number;
  readonly input: Readonly<Values>;
}

/**
 * The own player, ahead of the server: every input has its effect here at once, by the same rules. When the server tells what it
 * has made of it, the world goes back there and the inputs it does not know yet are done over; what that changes is not jumped
 * to but moved to.
 */
export class Prediction {
  readonly #game: AnyGame;
  readonly #model: WorldModel;
  readonly #errors = new Recent(120);
  #pending: Pending[] = [];
  #id: string | null = null;
  /** The own player before the last step, and what is still to be drawn of corrections. */
  #before: Values = {};
  #offset: Record<string, number> = {};

  constructor(game: AnyGame) {
    this.#game = game;
    this.#model = new WorldModel(game.layout);
  }

  /** The own player; undefined while it is not in the world. */
  get me(): Player | undefined {
    return this.#id === null ? undefined : this.#model.player(this.#id);
  }

  /** The fields of the world, as of the newest snapshot and what was predicted since. */
  get world(): Values {
    const values = this.#model.world as unknown as Values;
    return Object.fromEntries(this.#game.layout.world.map(({ name }) => [name, values[name]!]));
  }

  /** How many inputs the server has not answered. */
  get pending(): number {
    return this.#pending.length;
  }

  /** How far corrections reached, of the last 120 snapshots: the value that 95 % do not exceed. */
  get errorP95(): number {
    return this.#errors.quantile(0.95);
  }

  /** One input has its effect. */
  apply(seq: number, input: Readonly<Values>): void {
    this.#pending.push({ seq, input });
    if (this.#pending.length > MAX_PENDING) this.#pending.shift();
    this.#step(input);
  }

  /** The server said how things are. */
  reconcile(snapshot: Snapshot, id: string | null, idOf: (slot: number) => string | undefined): void {
    this.#id = id;
    const was = this.#values();
    this.#model.read(snapshot, idOf);
    const { me } = this;
    if (me === undefined) {
      this.#offset = {};
      return;
    }
    const acked = this.#pending.findIndex(({ seq }) => (seq & ACK_MASK) === snapshot.acks[me.slot]);
    this.#pending.splice(0, acked + 1);
    this.#before = this.#values()!;
    for (const { input } of this.#pending) this.#step(input);
    if (was !== null) this.#correct(was, this.#values()!);
  }

  /** Inputs that were under way will not arrive. */
  forget(): void {
    this.#pending = [];
  }

  /** The own player as it is to be drawn. @param part of a step that has passed since the last one. */
  draw(part: number): Values | null {
    const now = this.#values();
    if (now === null) return null;
    const drawn: Values = {};
    for (const { name, field } of this.#game.layout.player) {
      const before = this.#before[name] ?? now[name]!;
      const value = isJump(field, before, now[name]!) ? now[name]! : field.blend(before, now[name]!, part);
      drawn[name] = field.motion === "step" ? value : Number(value) + (this.#offset[name] ?? 0);
    }
    return drawn;
  }

  /** Corrections fade. */
  fade(ms: number): void {
    const rest = Math.exp(-ms / SMOOTH_MS);
    for (const name of Object.keys(this.#offset)) this.#offset[name]! *= rest;
  }

  #step(input: Readonly<Values>): void {
    const { me } = this;
    if (me === undefined) return;
    this.#before = this.#values()!;
    stepWorld(this.#game, this.#model, new Map([[me, input]]));
    this.#model.settle();
  }

  #correct(was: Values, now: Values): void {
    let distance = 0;
    for (const { name, field } of this.#game.layout.player) {
      if (field.motion === "step") continue;
      const [from, to] = [Number(was[name]), Number(now[name])];
      const error = field.motion === "circle" ? turn(to, from) : from - to;
      if (field.motion === "line") distance += error * error;
      this.#offset[name] = isJump(field, from, to) ? 0 : (this.#offset[name] ?? 0) + error;
    }
    this.#errors.add(Math.sqrt(distance));
  }

  #values(): Values | null {
    const { me } = this;
    if (me === undefined) return null;
    const values = me as unknown as Values;
    return Object.fromEntries(this.#game.layout.player.map(({ name }) => [name, values[name]!]));
  }
}
