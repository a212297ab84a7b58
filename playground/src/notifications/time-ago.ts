const UNITS = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
] as const;
/** Older than this it is a date, ms. */
const AGO_MS = 7 * 86_400_000;
const NOW_MS = 45_000;

/** How long ago something was, as people say it; a date when it is longer ago than a week. */
export function timeAgo(at: number, now: number, locale: string, justNow: string): string {
  const ago = now - at;
  if (ago < NOW_MS) return justNow;
  if (ago > AGO_MS) return new Intl.DateTimeFormat(locale, { dateStyle: "medium" }).format(at);
  const [unit, ms] = UNITS.find(([, size]) => ago >= size) ?? UNITS[2];
  return new Intl.RelativeTimeFormat(locale, { style: "short", numeric: "always" }).format(
    -Math.max(1, Math.floor(ago / ms)),
    unit,
  );
}
