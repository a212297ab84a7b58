const KEY = "yamabiko.dashboard.thresholds";
/** The most thresholds that are remembered. */
const MAX = 200;

/** The thresholds of this device by panel, as `dashboard/panel`. */
export type Thresholds = Readonly<Record<string, number>>;

/** What is remembered on this device. */
export function storedThresholds(): Thresholds {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    if (typeof stored !== "object" || stored === null) return {};
    return Object.fromEntries(Object.entries(stored).filter((entry) => Number.isFinite(entry[1])));
  } catch {
    return {};
  }
}

/** These with another threshold for one panel, or none; remembered on this device. */
export function withThreshold(thresholds: Thresholds, panel: string, threshold: number | null): Thresholds {
  const { [panel]: _, ...others } = thresholds;
  const next = Object.fromEntries(
    [...Object.entries(others), ...(threshold === null ? [] : [[panel, threshold] as const])].slice(-MAX),
  );
  try {
    localStorage.setItem(KEY, JSON.stringify(next));
  } catch {
    // Kept until the page is left.
  }
  return next;
}
