import { BitReader, BitWriter } from "../../protocol/game/bits.ts";
import { openFrame, TICK_FRAME } from "../../protocol/game/frame.ts";

/** A whole tick as one node tells it another, or the next leader: the reign it is of, and a frame that names no room. */
export interface Note {
  readonly fence: number;
  readonly tick: number;
  readonly bits: BitReader;
}

/** What stands before the bits of a note. */
export function noteHead(fence: number, tick: number): Uint8Array {
  const writer = new BitWriter(16);
  writer.writeVarint(fence);
  for (const byte of [TICK_FRAME, 0]) writer.write(byte, 8);
  writer.writeVarint(tick);
  writer.write(0, 8);
  return writer.finish();
}

/** @throws {RangeError} when it is cut short. */
export function openNote(note: Uint8Array): Note {
  const fence = new BitReader(note).readVarint();
  let length = 1;
  while (note[length - 1]! >= 0x80) length++;
  const { head, bits } = openFrame(note.subarray(length));
  return { fence, tick: head.tick, bits };
}
