import { useStore } from "../chat/use-store.ts";
import { useStrings } from "../shell/language.ts";
import { useConnection } from "./client-context.tsx";

/** The state of the connection in the header: a shape, a word, and the latency. */
export function ConnectionChip() {
  const strings = useStrings();
  const { status, latencyMs } = useStore(useConnection().store);
  return (
    <span className="chip" data-status={status} role="status">
      <span className="chip-dot" aria-hidden="true" />
      <span className="chip-word">{strings[status]}</span>
      {status === "connected" && latencyMs !== null ? (
        <span className="chip-latency">{strings.ms(Math.round(latencyMs))}</span>
      ) : null}
    </span>
  );
}
