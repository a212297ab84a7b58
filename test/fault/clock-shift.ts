/** Loaded with `--import`: moves the wall clock of the process by as much as the parent says, ms. Its other clocks go on. */

const systemDate = globalThis.Date;
let shiftMs = 0;

class ShiftedDate extends systemDate {
  constructor(...parts: [] | [number | string]) {
    if (parts.length === 0) super(systemDate.now() + shiftMs);
    else super(...parts);
  }

  static override now(): number {
    return systemDate.now() + shiftMs;
  }
}

globalThis.Date = ShiftedDate as DateConstructor;

process.on("message", (message: { readonly shiftMs?: number }) => {
  if (message.shiftMs !== undefined) shiftMs = message.shiftMs;
});
// Whoever waits for messages lives for ever; a server that is told to close should not.
process.channel?.unref();
