import { useEffect, useState } from "react";
import { useStore } from "../chat/use-store.ts";
import { Icon } from "../shell/icon.tsx";
import { useStrings } from "../shell/language.ts";
import { useConnection } from "./client-context.tsx";

/** Says that the connection is gone and when the next attempt comes. Lies over the page, so that nothing moves. */
export function ConnectionBanner() {
  const strings = useStrings();
  const connection = useConnection();
  const { status, retryAt, before } = useStore(connection.store);
  const seconds = useCountdown(status === "waiting" ? retryAt : null);
  if (status === "connected" || (status === "connecting" && !before)) return null;
  const words =
    status === "closed"
      ? strings.bannerOffline
      : status === "waiting" && seconds !== null && seconds > 0
        ? strings.bannerWaiting(seconds)
        : strings.bannerConnecting;
  return (
    <div className="banner" data-status={status}>
      <Icon name={status === "closed" ? "cut" : "clock"} size={16} />
      {/* The countdown is not read out every second. */}
      <span role="status" aria-live={status === "waiting" ? "off" : "polite"}>
        {words}
      </span>
      {status === "connecting" ? null : (
        <button type="button" className="button small" onClick={connection.goOnline}>
          {status === "closed" ? strings.goOnline : strings.retryNow}
        </button>
      )}
    </div>
  );
}

/** Whole seconds until `at`, counted down; null without a time. */
function useCountdown(at: number | null): number | null {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (at === null) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 250);
    return () => clearInterval(timer);
  }, [at]);
  return at === null ? null : Math.max(0, Math.ceil((at - now) / 1_000));
}
