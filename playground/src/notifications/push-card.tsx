import { useEffect, useState } from "react";
import { useConnection } from "../connection/client-context.tsx";
import { Icon } from "../shell/icon.tsx";
import { type PushState, readPushState, type TellPush, turnPushOff, turnPushOn } from "./push.ts";
import type { NotificationStrings } from "./strings.ts";

/** Turns Web Push on and off. Nothing where the browser cannot, or the server has no key. */
export function PushCard({ strings }: { strings: NotificationStrings }) {
  const { client, session } = useConnection();
  const [state, setState] = useState<PushState>("unsupported");
  const [key, setKey] = useState<string | null>(null);
  const [isWorking, setWorking] = useState(false);
  const [error, setError] = useState<string | null>(null);

  useEffect(() => {
    let isGone = false;
    readPushState().then(
      (found) => {
        if (isGone) return;
        setState(found.state);
        setKey(found.key);
      },
      () => {}, // then there is none
    );
    return () => {
      isGone = true;
    };
  }, []);

  if (state === "unsupported" || key === null) return null;
  const tell: TellPush = (type, payload) =>
    client.emitWithAck(type, { roomId: `user:${session.user}`, ...payload }, { timeoutMs: 10_000 });
  const change = async (): Promise<void> => {
    setWorking(true);
    setError(null);
    try {
      setState(state === "on" ? await turnPushOff(tell) : await turnPushOn(key, tell));
    } catch (failure) {
      setError(failure instanceof Error ? failure.message : String(failure));
    }
    setWorking(false);
  };
  return (
    <section className="card push" aria-labelledby="push-title">
      <div>
        <h2 id="push-title">{strings.push}</h2>
        <p className="muted">
          {state === "denied" ? strings.pushDenied : state === "on" ? strings.pushIsOn : strings.pushText}
        </p>
        {error === null ? null : (
          <p className="field-error" role="alert">
            <Icon name="warning" size={16} />
            {strings.pushFailed(error)}
          </p>
        )}
      </div>
      {state === "denied" ? null : (
        <button type="button" className="button small" disabled={isWorking} onClick={() => void change()}>
          {isWorking ? strings.pushWorking : state === "on" ? strings.pushOff : strings.pushOn}
        </button>
      )}
    </section>
  );
}
