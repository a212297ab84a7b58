import type { Unit } from "./panels.ts";
import type { DashboardStrings } from "./strings.ts";

/** A number as people read it: four digits that matter, and its unit. */
export function formatValue(value: number | null, unit: Unit, locale: string, strings: DashboardStrings): string {
  if (value === null) return "–";
  const size = Math.abs(value);
  const digits = size >= 1_000 ? 0 : size >= 100 ? 1 : 2;
  const isLarge = size >= 100_000;
  const number = new Intl.NumberFormat(locale, {
    maximumFractionDigits: isLarge ? 1 : digits,
    ...(isLarge ? { notation: "compact" as const } : {}),
  }).format(value);
  return unit === "none" ? number : strings.withUnit[unit](number);
}
