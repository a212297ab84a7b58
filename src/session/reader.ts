import { type JsonObject, validate, YamabikoError } from "../protocol/index.ts";
import type { Place } from "../room/page.ts";
import type { Room } from "../room/room.ts";
import type { StartAnew } from "../room/subscription.ts";
import type { Namespace, ReaderContext } from "./namespace.ts";
import { featureOf } from "./room-kind.ts";

/** The paces a reader can have, deliveries per second: few, so that readers of one pace share what they are given. */
export const PACES: readonly number[] = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 20, 30, 60];

/** What a reader asks for besides its place: how often it is given something, and what the namespace knows. */
export interface Wishes {
  /** The least time between two deliveries, ms; 0 for every turn. */
  readonly gatherMs: number;
  readonly options: JsonObject;
}

/**
 * Reads `maxHz` and the members that `joinOptions` names (JOIN-5).
 * @throws {YamabikoError} `invalid_message`.
 */
export async function readWishes(members: Readonly<Record<string, unknown>>, namespace: Namespace): Promise<Wishes> {
  const { maxHz, ...rest } = members;
  const checked = namespace.joinOptions === undefined ? NO_OPTIONS : await validate(namespace.joinOptions, rest);
  return { gatherMs: gatherMsOf(maxHz ?? namespace.maxHz), options: checked as JsonObject };
}

/** One for all: most readers ask for nothing. */
const NO_OPTIONS: JsonObject = Object.freeze({});

function gatherMsOf(maxHz: unknown): number {
  if (maxHz === undefined || maxHz === null) return 0;
  if (typeof maxHz !== "number" || !(maxHz >= PACES[0]! && maxHz <= PACES.at(-1)!)) {
    throw new YamabikoError("invalid_message", `\`maxHz\` must be a number from ${PACES[0]} to ${PACES.at(-1)}.`);
  }
  return 1000 / PACES.findLast((pace) => pace <= maxHz)!;
}

/** `joined_room.state`, as this reader gets it. */
export function stateFor(room: Room, reader: ReaderContext): JsonObject {
  return featureOf(room)?.state?.(reader) ?? room.stateSnapshot();
}

/** A place to read from, and what everything before it amounts to. */
export interface Start extends Place {
  readonly snapshot?: JsonObject;
}

/** How a reader goes on that was overtaken while it read, where the namespace has something to start from. */
export function startAnew(room: Room, reader: ReaderContext): StartAnew | null {
  const feature = featureOf(room);
  if (feature?.start === undefined) return null;
  return async () => {
    const start = await feature.start!({ ...reader, resumed: true });
    return start && { epoch: room.epoch, ...start };
  };
}

/** Where a reader starts that has nothing, or not enough, to go on from. */
export async function startOf(room: Room, place: Place, hasCursor: boolean, reader: ReaderContext): Promise<Start> {
  const feature = featureOf(room);
  if (feature?.start === undefined || (hasCursor && place.lost === null)) return place;
  const start = await feature.start(reader);
  return start === null ? place : { ...place, epoch: room.epoch, start: start.seq, snapshot: start.snapshot };
}
