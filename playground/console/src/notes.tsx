import { Icon } from "../../src/shell/icon.tsx";
import { useStrings } from "./language.tsx";
import type { Polled } from "./polled.ts";

/** What is to be known of an answer besides what it says: that it is old, refused, or without some nodes. */
export function Notes({ polled }: { polled: Polled<{ readonly silent?: readonly string[] }> }) {
  const strings = useStrings();
  const silent = polled.value?.silent ?? [];
  return (
    <>
      {polled.error === null ? null : (
        <p className="dashboard-note" role="alert">
          <Icon name="warning" size={16} />
          {polled.error.status === 0 ? strings.offline : strings.failed(polled.error.message)}
        </p>
      )}
      {silent.length === 0 ? null : (
        <p className="dashboard-note" role="status">
          <Icon name="warning" size={16} />
          {strings.silent(silent.join(", "))}
        </p>
      )}
    </>
  );
}

/** In place of a list that has nothing to show yet. */
export function Placeholder({ isLoading, text }: { isLoading: boolean; text: string }) {
  const strings = useStrings();
  return (
    <p className="console-empty muted" aria-busy={isLoading}>
      {isLoading ? strings.loading : text}
    </p>
  );
}
