import type { LabStrings } from "./strings.ts";

/** A duration as people read it: 0.8 ms, 42 ms, 1.24 s. */
export function formatMs(ms: number | null, strings: LabStrings): string {
  if (ms === null) return "–";
  if (ms < 9.95) return `${ms.toFixed(1)} ${strings.ms}`;
  if (ms < 999.5) return `${Math.round(ms)} ${strings.ms}`;
  return `${(ms / 1_000).toFixed(2)} ${strings.s}`;
}

/** Bytes as people read them: 812 B, 4.1 kB, 2.3 MB. */
export function formatBytes(bytes: number): string {
  if (bytes < 1_000) return `${Math.round(bytes)} B`;
  if (bytes < 999_500) return `${(bytes / 1_000).toFixed(bytes < 99_500 ? 1 : 0)} kB`;
  return `${(bytes / 1_000_000).toFixed(bytes < 99_500_000 ? 1 : 0)} MB`;
}

/** A time that is counted: 0:42, 12:05. */
export function formatClock(ms: number): string {
  const seconds = Math.floor(ms / 1_000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** How many of something there are in a minute, from what there were in some time; – before there is enough of it. */
export function perMinute(count: number, ms: number): string {
  if (ms < 2_000) return "–";
  const rate = (count * 60_000) / ms;
  return rate >= 9.95 || rate === 0 ? String(Math.round(rate)) : rate.toFixed(1);
}
