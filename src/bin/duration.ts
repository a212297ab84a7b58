import { UsageError } from "./terminal.ts";

const UNITS_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * Reads `90s`, `15m`, `1h` or `7d`; ms.
 * @throws {UsageError}
 */
export function parseDuration(text: string, option: string): number {
  const match = /^([1-9]\d{0,6})([smhd])$/.exec(text);
  if (match === null)
    throw new UsageError(`${option} ${text} is not a duration.`, "Use a number with s, m, h or d: 1h");
  return Number(match[1]) * UNITS_MS[match[2]!]!;
}
