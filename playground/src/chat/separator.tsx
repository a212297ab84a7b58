import { use } from "react";
import { Icon } from "../shell/icon.tsx";
import { LanguageContext, localeOf, useStrings } from "../shell/language.ts";
import { dayOf } from "./rows.ts";
import type { LostStretch } from "./timeline.ts";

/** The day the messages below it are of. */
export function DayLine({ at }: { at: number }) {
  const { strings, language } = use(LanguageContext);
  const now = Date.now();
  const day = dayOf(at);
  const words =
    day === dayOf(now)
      ? strings.today
      : day === dayOf(now - 86_400_000)
        ? strings.yesterday
        : new Intl.DateTimeFormat(localeOf(language), { dateStyle: "full" }).format(at);
  return (
    <p className="day-line">
      <span>{words}</span>
    </p>
  );
}

/** Says that events are gone, where they would have stood. */
export function LostLine({ stretch }: { stretch: LostStretch }) {
  const strings = useStrings();
  const { reason, from, to } = stretch;
  const words =
    reason === "epoch"
      ? strings.lostEpoch
      : from === null || to === null
        ? strings.lostSome
        : strings.lostRetention(from, to);
  return (
    <p className="lost-line" data-row="lost">
      <Icon name="warning" size={16} /> {words}
    </p>
  );
}
