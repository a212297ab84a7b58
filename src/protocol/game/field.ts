/**
 * One number of a game as the wire knows it: a whole number of `bits` bits. What a field cannot say does not exist: values are
 * rounded and bounded on both ends alike, so that both compute with the same numbers.
 */
export interface Field<T extends number | boolean = number | boolean> {
  /** Names the field's form; part of the game's signature. */
  readonly form: string;
  readonly bits: number;
  /** How it moves on the screen: along a line, around a circle of 2π, or at once. */
  readonly motion: "line" | "circle" | "step";
  /** The nearest that the wire can say. Anything that is no number of this kind becomes the field's resting value. */
  toWire(value: unknown): number;
  fromWire(wire: number): T;
  /** Something between two values, for drawing; `part` is 0 at `from`, 1 at `to`, more beyond it. */
  blend(from: T, to: T, part: number): T;
}

/** The fields of something, by name. */
export type Fields = { readonly [name: string]: Field };

/** Fields that nothing is known of. */
export type NoFields = Record<never, never>;

/** What fields hold. */
export type ValuesOf<F extends Fields> = {
  -readonly [Name in keyof F]: F[Name] extends Field<infer T> ? T : never;
};

/**
 * A number from `min` to `max` in steps of `precision`, in at most 16 bits: positions, speeds.
 * Its resting value is 0, or the bound nearest to it.
 *
 * @throws {TypeError} when that takes more than 16 bits.
 */
export function q16(min: number, max: number, precision: number): Field<number> {
  const steps = Math.floor((max - min) / precision + 1e-9);
  if (!(steps >= 1 && steps <= 0xffff)) {
    throw new TypeError(`${min} to ${max} in steps of ${precision} does not fit 16 bits: take larger steps.`);
  }
  const rest = Math.min(max, Math.max(min, 0));
  return {
    form: `q(${min},${max},${precision})`,
    bits: 32 - Math.clz32(steps),
    motion: "line",
    toWire(value) {
      const number = typeof value === "number" && !Number.isNaN(value) ? value : rest;
      return Math.min(steps, Math.round((Math.min(max, Math.max(min, number)) - min) / precision));
    },
    fromWire: (wire) => min + Math.min(wire, steps) * precision,
    blend: (from, to, part) => Math.min(max, Math.max(min, from + (to - from) * part)),
  };
}

/** A number from -1 to 1 in steps of 1/127: the deflection of a stick, the part of a full speed. */
export function axis(): Field<number> {
  return {
    form: "axis",
    bits: 8,
    motion: "line",
    toWire: (value) =>
      (typeof value === "number" && !Number.isNaN(value) ? Math.round(Math.min(1, Math.max(-1, value)) * 127) : 0) +
      127,
    fromWire: (wire) => (Math.min(wire, 254) - 127) / 127,
    blend: (from, to, part) => Math.min(1, Math.max(-1, from + (to - from) * part)),
  };
}

const TURN = 2 * Math.PI;

/** From one angle to another, the shorter way around: from -π to π. */
export function turn(from: number, to: number): number {
  return ((((to - from) % TURN) + TURN + Math.PI) % TURN) - Math.PI;
}

/** An angle in radians, from 0 to just below 2π, in 256 steps (1.4°). Any number is taken as the angle it is. */
export function angle8(): Field<number> {
  return {
    form: "angle",
    bits: 8,
    motion: "circle",
    toWire: (value) =>
      typeof value === "number" && Number.isFinite(value) ? Math.round((value / TURN) * 256) & 0xff : 0,
    fromWire: (wire) => (wire * TURN) / 256,
    blend: (from, to, part) => (((from + turn(from, to) * part) % TURN) + TURN) % TURN,
  };
}

/** A whole number from 0 to 255. It changes at once, also on the screen. */
export function u8(): Field<number> {
  return whole("u8", 8);
}

/** A whole number from 0 to 65,535. It changes at once, also on the screen. */
export function u16(): Field<number> {
  return whole("u16", 16);
}

function whole(form: string, bits: number): Field<number> {
  const max = 2 ** bits - 1;
  return {
    form,
    bits,
    motion: "step",
    toWire: (value) =>
      typeof value === "number" && !Number.isNaN(value) ? Math.round(Math.min(max, Math.max(0, value))) : 0,
    fromWire: (wire) => wire,
    blend: (from, to, part) => (part < 1 ? from : to),
  };
}

/** Yes or no. */
export function bool(): Field<boolean> {
  return {
    form: "bool",
    bits: 1,
    motion: "step",
    toWire: (value) => (value === true ? 1 : 0),
    fromWire: (wire) => wire === 1,
    blend: (from, to, part) => (part < 1 ? from : to),
  };
}
