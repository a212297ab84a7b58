import type { Field, Fields } from "./field.ts";

/** What a game is made of: the fields of every player, of the world, and of what a player wants. */
export interface GameSchema<P extends Fields = Fields, W extends Fields = Fields, I extends Fields = Fields> {
  /** Of every player, at every tick. What changes seldom (a name, a score) belongs into the profile. */
  readonly player: P;
  /** Of the world as a whole, at every tick. Default: none. */
  readonly world?: W;
  /** What a player wants at one tick: intents, never results. */
  readonly input: I;
}

/** One field and its name. */
export interface NamedField {
  readonly name: string;
  readonly field: Field;
}

/** A schema in the order of the wire. */
export interface Layout {
  readonly player: readonly NamedField[];
  readonly world: readonly NamedField[];
  readonly input: readonly NamedField[];
  /** Names the whole: both ends compare it before they believe a frame. */
  readonly signature: string;
}

/** Names that players and worlds have of their own. */
const RESERVED: ReadonlySet<string> = new Set(["id", "slot", "tick", "players", "acks", "__proto__"]);

/**
 * Puts a schema in the order of the wire, which is that of its names, so that two files that say the same mean the same.
 * @throws {TypeError} when a name is taken, or there are no player fields.
 */
export function layOut({ player, world = {}, input }: GameSchema): Layout {
  if (Object.keys(player).length === 0) throw new TypeError("A player needs at least one field.");
  const parts = { player: inOrder(player), world: inOrder(world), input: inOrder(input) };
  const text = Object.values(parts)
    .map((fields) => fields.map(({ name, field }) => `${name}:${field.form}`).join())
    .join(";");
  return { ...parts, signature: hash(text) };
}

function inOrder(fields: Fields): NamedField[] {
  const named = Object.entries(fields).map(([name, field]) => ({ name, field }));
  for (const { name } of named) if (RESERVED.has(name)) throw new TypeError(`A field cannot be called "${name}".`);
  return named.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** FNV-1a: enough to tell two builds of one game apart. */
function hash(text: string): string {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193) >>> 0;
  }
  return value.toString(16).padStart(8, "0");
}
