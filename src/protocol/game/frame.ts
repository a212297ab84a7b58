import { BitReader } from "./bits.ts";

/** The first byte of a tick frame: MessagePack never begins with it, and JSON comes in text frames. */
export const TICK_FRAME = 0xc1;

/** How far back the base of a difference may lie, ticks. */
export const MAX_BASE_TICKS = 63;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What stands before the bits of a tick. */
export interface TickHead {
  readonly roomId: string;
  readonly tick: number;
  /** The tick it is the difference to; null when it is whole. */
  readonly base: number | null;
}

/** The head of a frame: `[0xC1][length of roomId][roomId][tick][ticks back to the base, 0 for none]`. */
export function tickHead({ roomId, tick, base }: TickHead): Uint8Array {
  const room = encoder.encode(roomId);
  const bytes = [TICK_FRAME, room.length, ...room];
  let rest = tick;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest, base === null ? 0 : tick - base);
  return Uint8Array.from(bytes);
}

/** Whether a binary frame is about ticks. */
export function isTickFrame(bytes: Uint8Array): boolean {
  return bytes[0] === TICK_FRAME;
}

/** The room a frame is about. */
export function roomOfFrame(bytes: Uint8Array): string {
  return decoder.decode(bytes.subarray(2, 2 + (bytes[1] ?? 0)));
}

/** The head of a frame, and the bits behind it. @throws {RangeError} when it is cut short. */
export function openFrame(bytes: Uint8Array): { head: TickHead; bits: BitReader } {
  const bits = new BitReader(bytes, 2 + (bytes[1] ?? 0));
  const tick = bits.readVarint();
  const back = bits.read(8);
  return { head: { roomId: roomOfFrame(bytes), tick, base: back === 0 ? null : tick - back }, bits };
}
