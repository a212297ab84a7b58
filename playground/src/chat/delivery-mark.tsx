import { Icon, type IconName } from "../shell/icon.tsx";
import { useStrings } from "../shell/language.ts";
import type { Delivery } from "./rows.ts";

const ICONS: Record<Delivery, IconName> = {
  queued: "clock",
  sent: "sent",
  acked: "check",
  read: "checks",
  failed: "warning",
};

/** How far an own message has come: a shape of its own for each state, and words for those who do not see it. */
export function DeliveryMark({ delivery }: { delivery: Delivery }) {
  const strings = useStrings();
  const words: Record<Delivery, string> = {
    queued: strings.stateQueued,
    sent: strings.stateSent,
    acked: strings.stateAcked,
    read: strings.stateRead,
    failed: strings.stateFailed,
  };
  return (
    <span className="delivery" data-state={delivery} role="img" aria-label={words[delivery]} title={words[delivery]}>
      <Icon name={ICONS[delivery]} size={14} />
    </span>
  );
}
