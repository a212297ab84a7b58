import type { LogEvent } from "../log/log.ts";
import type { Json } from "../protocol/index.ts";
import type { Change } from "./state.ts";

/** What a namespace keeps beside a room. The room tells it what happens, in order; none of it may wait or throw. */
export interface Companion {
  /** True where readers learn the state from it, so that the room never tells the whole in its own words. */
  readonly speaksForState: boolean;
  /** True keeps the room in memory. */
  readonly isBusy: boolean;
  /** What it takes in memory, bytes. */
  readonly bytes: number;
  /** Retention removes no event after this seq; undefined for no such bound. */
  readonly trimmable: number | undefined;
  /** A value was set or removed. */
  stateChanged(change: Change): void;
  /** The head moved by this event; an event that was read while it was made may come again. */
  advanced(event: LogEvent): void;
  /** The head jumped: what `advanced` would have told must be read. */
  jumped(): void;
  /** A note from the room's companion on another node. */
  heard(name: string, data: Json | Uint8Array, from: string): void;
  /** The room is let go. */
  close(): void;
}
