import type { OwnedChange } from "../bus/bus.ts";
import type { Json } from "../protocol/index.ts";

/** How long it is remembered that something is gone, ms: longer than a node that is there can miss of it. */
export const TRACE_MS = 60_000;

/** The most traces of a room; beyond them the oldest is forgotten. */
export const MAX_TRACES = 10_000;

/** The most changes, and about the most bytes of them, in one notice. */
const PAGE_CHANGES = 200;
const PAGE_BYTES = 32 * 1024;

/** One key of what a node owns. */
export interface OwnedValue {
  readonly family: string;
  readonly key: string;
  /** Null: it is gone. */
  readonly value: Json;
  /** A later write of the same key has a higher one. */
  readonly stamp: number;
  /** By the monotonic clock, ms; null for never. */
  readonly expiresAt: number | null;
  /** What is told of a removal, when that is more than the value. */
  readonly last: Json;
  readonly bytes: number;
}

interface Versioned extends OwnedValue {
  readonly version: number;
}

/** Changes, and the version that who applies them is at. */
export interface ChangePage {
  readonly base: number;
  readonly version: number;
  readonly changes: OwnedChange[];
}

/**
 * What this node owns of a room's state. Every change has a version, and who knows version v is told the newest value of what
 * changed since. Of what is gone a trace is kept for a while; who has missed more than that is told the whole.
 */
export class OwnedValues {
  /** By rising version. */
  readonly #values = new Map<string, Versioned>();
  /** When what is only a trace is forgotten, by the monotonic clock, ms; the first first. */
  readonly #traces = new Map<string, number>();
  readonly #leased = new Set<string>();
  #version = 0;
  /** Of what changed up to here, something has been forgotten. */
  #floor = 0;

  get version(): number {
    return this.#version;
  }

  /** Whether nothing is there that others would miss. */
  get isEmpty(): boolean {
    return this.#values.size === this.#traces.size;
  }

  /** The newest of a key; undefined also when it is gone. */
  get(id: string): OwnedValue | undefined {
    return this.#traces.has(id) ? undefined : this.#values.get(id);
  }

  /** The same, or the trace of it. */
  newest(id: string): OwnedValue | undefined {
    return this.#values.get(id);
  }

  /** A value was set. */
  set(id: string, value: OwnedValue): void {
    this.#put(id, value);
    if (value.expiresAt !== null) this.#leased.add(id);
  }

  /** Something is gone, or is kept elsewhere: others are told, and it is forgotten. */
  trace(id: string, value: OwnedValue, now: number): void {
    this.#put(id, value);
    this.#traces.set(id, now + TRACE_MS);
    if (this.#traces.size > MAX_TRACES) this.#forgetTrace(this.#traces.keys().next().value!);
  }

  /** As `trace`, when there is nobody to tell. */
  drop(id: string): void {
    this.#forget(id);
    this.#floor = ++this.#version;
  }

  /** What changed after a version, in pages; the whole when too much of that has been forgotten. At least one page. */
  pages(since: number, now: number): ChangePage[] {
    const from = since < this.#floor || since > this.#version ? 0 : since;
    const changed: Versioned[] = [];
    for (const value of this.#values.values()) if (value.version > from) changed.push(value);
    return toPages(from, this.#version, changed, now);
  }

  /** Forgets what has expired, which whoever was told of it does by itself, and traces that are old. */
  sweep(now: number): void {
    for (const id of this.#leased) if (this.#values.get(id)!.expiresAt! <= now) this.#forget(id);
    for (const [id, until] of this.#traces) {
      if (until > now) break;
      this.#forgetTrace(id);
    }
  }

  #forgetTrace(id: string): void {
    this.#floor = Math.max(this.#floor, this.#values.get(id)!.version);
    this.#forget(id);
  }

  #put(id: string, value: OwnedValue): void {
    this.#forget(id);
    const { family, key, value: what, stamp, expiresAt, last, bytes } = value;
    this.#values.set(id, { family, key, value: what, stamp, expiresAt, last, bytes, version: ++this.#version });
  }

  #forget(id: string): void {
    this.#values.delete(id);
    this.#traces.delete(id);
    this.#leased.delete(id);
  }
}

/** Puts changes into notices of a bounded size. */
export function toPages(base: number, version: number, changed: readonly Versioned[], now: number): ChangePage[] {
  const pages: ChangePage[] = [];
  let changes: OwnedChange[] = [];
  let bytes = 0;
  let from = base;
  for (const [index, value] of changed.entries()) {
    changes.push(toChange(value, now));
    bytes += value.bytes;
    if (index + 1 === changed.length || (changes.length < PAGE_CHANGES && bytes < PAGE_BYTES)) continue;
    pages.push({ base: from, version: value.version, changes });
    from = value.version;
    changes = [];
    bytes = 0;
  }
  pages.push({ base: from, version, changes });
  return pages;
}

function toChange({ family, key, value, stamp, expiresAt, last }: OwnedValue, now: number): OwnedChange {
  return [family, key, value, stamp, expiresAt === null ? null : Math.max(0, expiresAt - now), last];
}
