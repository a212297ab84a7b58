import type { Inputs, Player, World } from "./game.ts";
import type { Layout, NamedField } from "./layout.ts";
import type { Snapshot } from "./snapshot.ts";

/** What fields hold, by name. */
export type Values = Record<string, number | boolean>;

/** A world as the game's code sees it, kept equal to what the wire can say. */
export class WorldModel {
  readonly world: World;
  readonly #layout: Layout;
  readonly #players: Player[] = [];
  readonly #byId = new Map<string, Player>();
  readonly #bySlot: (Player | undefined)[] = [];

  constructor(layout: Layout) {
    this.#layout = layout;
    this.world = { tick: 0, players: this.#players, ...resting(layout.world) } as World;
  }

  get tick(): number {
    return this.world.tick;
  }

  set tick(tick: number) {
    (this.world as { tick: number }).tick = tick;
  }

  get players(): readonly Player[] {
    return this.#players;
  }

  player(id: string): Player | undefined {
    return this.#byId.get(id);
  }

  playerAt(slot: number): Player | undefined {
    return this.#bySlot[slot];
  }

  /** Somebody new, at rest where `values` do not say otherwise. */
  add(id: string, slot: number, values: Partial<Values> = {}): Player {
    const player = { id, slot, ...resting(this.#layout.player) } as Player;
    for (const { name, field } of this.#layout.player) {
      if (values[name] !== undefined) (player as unknown as Values)[name] = field.fromWire(field.toWire(values[name]));
    }
    this.#players.push(player);
    this.#byId.set(id, player);
    this.#bySlot[slot] = player;
    return player;
  }

  remove(player: Player): void {
    const index = this.#players.indexOf(player);
    if (index === -1) return;
    this.#players.splice(index, 1);
    this.#byId.delete(player.id);
    this.#bySlot[player.slot] = undefined;
  }

  clear(): void {
    for (const player of [...this.#players]) this.remove(player);
  }

  /** Makes every value one that the wire can say, after the game's code has run. */
  settle(): void {
    const { player, world } = this.#layout;
    for (const each of this.#players) settleValues(each as unknown as Values, player);
    settleValues(this.world as unknown as Values, world);
  }

  /** Writes the world down; settles it on the way. @param ackOf the number of a player's last input. */
  write(into: Snapshot, ackOf: (player: Player) => number): void {
    const { player: fields, world } = this.#layout;
    let slots = 0;
    for (const { slot } of this.#players) if (slot >= slots) slots = slot + 1;
    into.clear(this.tick, slots);
    for (const player of this.#players) {
      const { slot } = player;
      const values = player as unknown as Values;
      into.present[slot] = 1;
      into.acks[slot] = ackOf(player);
      for (let index = 0; index < fields.length; index++) {
        const { name, field } = fields[index]!;
        const wire = field.toWire(values[name]);
        into.columns[index]![slot] = wire;
        values[name] = field.fromWire(wire);
      }
    }
    const values = this.world as unknown as Values;
    for (let index = 0; index < world.length; index++) {
      const { name, field } = world[index]!;
      const wire = field.toWire(values[name]);
      into.world[index] = wire;
      values[name] = field.fromWire(wire);
    }
  }

  /** Becomes what a snapshot says, of the players whose slots `idOf` names. */
  read(from: Snapshot, idOf: (slot: number) => string | undefined): void {
    this.tick = from.tick;
    for (const player of [...this.#players]) {
      if (from.present[player.slot] !== 1 || idOf(player.slot) !== player.id) this.remove(player);
    }
    for (let slot = 0; slot < from.slots; slot++) {
      if (from.present[slot] !== 1) continue;
      const id = idOf(slot);
      if (id === undefined) continue;
      const player = this.#bySlot[slot] ?? this.add(id, slot);
      readValues(player as unknown as Values, this.#layout.player, (index) => from.columns[index]![slot]!);
    }
    readValues(this.world as unknown as Values, this.#layout.world, (index) => from.world[index]!);
  }
}

/** What a stranger's object says, as the input fields have it: everything else, and everything impossible, is at rest. */
export function toInput(layout: Layout, value: unknown): Readonly<Values> {
  const given = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  const input: Values = {};
  for (const { name, field } of layout.input) {
    input[name] = field.fromWire(field.toWire(Object.hasOwn(given, name) ? given[name] : undefined));
  }
  return input;
}

/** One step of the game over a world. */
export function stepWorld(
  game: { step(world: World, inputs: Inputs, dt: number): void; readonly tick: number },
  model: WorldModel,
  inputs: Inputs,
): void {
  game.step(model.world, inputs, 1 / game.tick);
}

function resting(fields: readonly NamedField[]): Values {
  return Object.fromEntries(fields.map(({ name, field }) => [name, field.fromWire(field.toWire(undefined))]));
}

function settleValues(values: Values, fields: readonly NamedField[]): void {
  for (const { name, field } of fields) values[name] = field.fromWire(field.toWire(values[name]));
}

function readValues(values: Values, fields: readonly NamedField[], wireOf: (index: number) => number): void {
  for (let index = 0; index < fields.length; index++) {
    const { name, field } = fields[index]!;
    values[name] = field.fromWire(wireOf(index));
  }
}
