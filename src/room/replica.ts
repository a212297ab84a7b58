import type { OwnedChange, StateNotice } from "../bus/bus.ts";
import { MAX_TRACES, type OwnedValue, TRACE_MS } from "./owned-values.ts";

/** Told what becomes of a key: what another node owned of it, and owns now. */
export type OnReplicated = (id: string, before: OwnedValue | undefined, after: OwnedValue) => void;

/** A whole that is coming in pages. */
interface Draft {
  version: number;
  readonly values: Map<string, OwnedValue>;
}

/** What another node owns of a room's state, as far as it is known here. */
export class Replica {
  readonly nodeId: string;
  readonly #isKept: (family: string) => boolean;
  readonly #onChange: OnReplicated;
  readonly #values = new Map<string, OwnedValue>();
  /** When what is only a trace is forgotten, by the monotonic clock, ms; the first first. */
  readonly #traces = new Map<string, number>();
  readonly #leased = new Set<string>();
  #life = 0;
  /** -1 until the whole has come. */
  #version = -1;
  #draft: Draft | null = null;
  /** The node has gone; what is left of it goes then, by the monotonic clock, ms. */
  endsAt: number | null = null;

  /** @param isKept whether the log has a family's values, so that they are news here and nothing more. */
  constructor(nodeId: string, isKept: (family: string) => boolean, onChange: OnReplicated) {
    this.nodeId = nodeId;
    this.#isKept = isKept;
    this.#onChange = onChange;
  }

  get life(): number {
    return this.#life;
  }

  get size(): number {
    return this.#values.size + (this.#draft?.values.size ?? 0);
  }

  /** What changed after this version is not known; 0 when nothing is. */
  get known(): number {
    return Math.max(0, this.#version, this.#draft?.version ?? 0);
  }

  get(id: string): OwnedValue | undefined {
    return this.#values.get(id);
  }

  /** Whether something of what the owner says of itself has not come. */
  isBehind(life: number, version: number): boolean {
    return life > this.#life || (life === this.#life && version > this.#version);
  }

  /**
   * Changes came, in whatever order.
   * - `applied`: what they say is known.
   * - `rebuilt`: so is the whole, which was not known before.
   * - `hole`: something before them is missing.
   */
  hear({ life, base, version, newest, changes }: StateNotice, now: number): "applied" | "rebuilt" | "hole" {
    if (life < this.#life) return "applied";
    if (life > this.#life) {
      // What the earlier life owned stays until it is known what this one does.
      this.#life = life;
      this.#version = -1;
      this.#draft = null;
    }
    if (version <= this.#version) return "applied";
    this.endsAt = null;
    const isNext = this.#version >= 0 && base <= this.#version && (base > 0 || this.#version === 0);
    if (isNext) {
      for (const change of changes) this.#put(idOf(change), toValue(change, now), now);
      this.#version = version;
      return "applied";
    }
    if (base === 0) this.#draft = { version: 0, values: new Map() };
    if (this.#draft === null || base > this.#draft.version) return "hole";
    for (const change of changes) this.#draft.values.set(idOf(change), toValue(change, now));
    this.#draft.version = Math.max(this.#draft.version, version);
    if (this.#draft.version < newest) return "applied";
    this.#replace(this.#draft, now);
    return "rebuilt";
  }

  /** Lets go of what is old, and of everything when its time has come; true then. */
  sweep(now: number): boolean {
    if (this.endsAt !== null && this.endsAt <= now) {
      this.end(() => true, now);
      return true;
    }
    for (const id of this.#leased) {
      const { expiresAt } = this.#values.get(id)!;
      if (expiresAt !== null && expiresAt <= now) this.#forget(id);
    }
    for (const [id, until] of this.#traces) {
      if (until > now) break;
      this.#forget(id);
    }
    return false;
  }

  /** The owner is gone, and with it what `isOver` says of a family. What is left must come anew. */
  end(isOver: (family: string) => boolean, now: number): void {
    this.#version = -1;
    this.#draft = null;
    for (const [id, value] of this.#values) {
      if (value.value !== null && isOver(value.family)) this.#put(id, gone(value), now);
    }
  }

  #replace({ version, values }: Draft, now: number): void {
    this.#draft = null;
    this.#version = version;
    for (const [id, value] of this.#values) {
      if (value.value !== null && !values.has(id)) this.#put(id, gone(value), now);
    }
    for (const [id, value] of values) this.#put(id, value, now);
  }

  #put(id: string, value: OwnedValue, now: number): void {
    const before = this.#values.get(id);
    this.#forget(id);
    this.#values.set(id, value);
    if (value.value === null || this.#isKept(value.family)) {
      this.#traces.set(id, now + TRACE_MS);
      if (this.#traces.size > MAX_TRACES) this.#forget(this.#traces.keys().next().value!);
    } else if (value.expiresAt !== null) this.#leased.add(id);
    this.#onChange(id, before?.value === null ? undefined : before, value);
  }

  #forget(id: string): void {
    this.#values.delete(id);
    this.#traces.delete(id);
    this.#leased.delete(id);
  }
}

/** How a key of a family is named in maps. */
export function stateId(family: string, key: string): string {
  return `${family}\n${key}`;
}

function idOf([family, key]: OwnedChange): string {
  return stateId(family, key);
}

function toValue([family, key, value, stamp, leaseMs, last]: OwnedChange, now: number): OwnedValue {
  const expiresAt = leaseMs === null ? null : now + leaseMs;
  const bytes = value === null ? 0 : key.length + JSON.stringify(value).length;
  return { family, key, value, stamp, expiresAt, last, bytes };
}

function gone(value: OwnedValue): OwnedValue {
  return { ...value, value: null, expiresAt: null, last: null, bytes: 0 };
}
