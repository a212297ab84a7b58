import { z } from "zod";
import { RESOLUTIONS } from "../../protocol/series-grid.ts";

/** The longest name of a series, and of a dashboard that is published to, in characters. */
export const MAX_NAME = 64;
/** The most slots a back-fill may be asked for. */
export const MAX_LAST = RESOLUTIONS["1m"].slots;
/** The slots of a back-fill nobody asked a number for. */
export const DEFAULT_LAST = 60;

const SERIES_NAME = /^[\p{L}\p{N}_][\p{L}\p{M}\p{N}_.:/%@ -]*$/u;
/** What the columns call the time. */
const TIME = "t";

/** The name of a series: begins with a letter, a digit or `_`. */
export const seriesName = z
  .string()
  .max(MAX_NAME)
  .regex(SERIES_NAME, "must be letters, digits and _ . : / % @ - or blanks")
  .refine((name) => name === name.normalize("NFC"), "must be in the normal form NFC")
  .refine((name) => name === name.trim(), "must not end with a blank")
  .refine((name) => name !== TIME && name !== "__proto__", "is reserved");

/** Values by series, as they are published. Null is a gap. */
export const values = z
  .record(seriesName, z.number().nullable())
  .refine((given) => Object.keys(given).length > 0, "names no series");

/** What a reader says besides the room: how far back the back-fill goes, in slots of a resolution. */
export const readerOptions = z.object({
  last: z.int().min(0).max(MAX_LAST).default(DEFAULT_LAST),
  resolution: z.enum(["1s", "10s", "1m"]).default("1s"),
});

/** The same as the query of a URL says it. */
export const readerQuery = z.object({
  last: z
    .string()
    .regex(/^\d{1,5}$/, "must be a whole number")
    .transform(Number)
    .pipe(z.int().max(MAX_LAST))
    .optional(),
  resolution: z.enum(["1s", "10s", "1m"]).optional(),
});

/** What the ack of `publish_metrics` carries, and the answer of `POST /api/dashboards/:name`: what was taken. */
export const published = z.object({ t: z.int(), values: z.record(z.string(), z.number().nullable()) });

/** The payload of `metrics_update`. */
export const metricsUpdate = z.object({
  t: z.int(),
  values: z.record(z.string(), z.number().nullable()),
  times: z.record(z.string(), z.int()).optional(),
});

export type Values = z.output<typeof values>;
export type ReaderOptions = z.output<typeof readerOptions>;
export type Published = z.output<typeof published>;
