import { type FormEvent, type ReactNode, useId, useRef, useState } from "react";
import { Icon } from "../shell/icon.tsx";
import { sendNotification } from "./inbox-api.ts";
import type { NotificationStrings } from "./strings.ts";

const CATEGORIES = ["message", "order", "system"] as const;
const COUNTS = [1, 10, 120] as const;
const EXPIRIES = { s10: 10_000, m1: 60_000, h1: 3_600_000 } as const;

type Outcome = { readonly kind: "sent" | "duplicate" | "failed"; readonly words: string };

/** Sends a notification to anybody, as a back end does. */
export function SendForm({ me, strings }: { me: string; strings: NotificationStrings }) {
  const [userId, setUserId] = useState(me);
  const [type, setType] = useState("new_message");
  const [title, setTitle] = useState(strings.titleDefault);
  const [body, setBody] = useState(strings.bodyDefault);
  const [url, setUrl] = useState("/#/chat/lobby");
  const [category, setCategory] = useState<string>(CATEGORIES[0]);
  const [dedupKey, setDedupKey] = useState("");
  const [collapseKey, setCollapseKey] = useState("");
  const [expiry, setExpiry] = useState<keyof typeof EXPIRIES | "never">("never");
  const [count, setCount] = useState<number>(1);
  const [isSending, setSending] = useState(false);
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  const listId = useId();
  const titleField = useRef<HTMLInputElement>(null);

  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    if (title.trim() === "") {
      setOutcome({ kind: "failed", words: strings.titleEmpty });
      titleField.current?.focus();
      return;
    }
    setSending(true);
    setOutcome(null);
    const expiresInMs = expiry === "never" ? 0 : EXPIRIES[expiry];
    try {
      let added = 0;
      for (let number = 1; number <= count; number++) {
        const numbered = count === 1 ? title : `${title} (${number}/${count})`;
        const words = { userId, type, title: numbered, body, url, category, dedupKey, collapseKey, expiresInMs };
        const { duplicate } = await sendNotification(words);
        if (!duplicate) added += 1;
      }
      setOutcome(
        added === 0 ? { kind: "duplicate", words: strings.duplicate } : { kind: "sent", words: strings.sent(added) },
      );
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      setOutcome({ kind: "failed", words: strings.sendFailed(reason) });
    }
    setSending(false);
  };

  return (
    <section className="card send-card" aria-labelledby="send-title">
      <h2 id="send-title">{strings.send}</h2>
      <p className="muted card-text">{strings.sendText}</p>
      <form onSubmit={submit} noValidate>
        <Field label={strings.to}>
          {(id) => (
            <div className="field-row">
              <input id={id} className="field" value={userId} onChange={(event) => setUserId(event.target.value)} />
              <button type="button" className="button" disabled={userId === me} onClick={() => setUserId(me)}>
                {strings.toMe}
              </button>
            </div>
          )}
        </Field>
        <Field label={strings.titleField}>
          {(id) => (
            <input
              ref={titleField}
              id={id}
              aria-invalid={outcome?.words === strings.titleEmpty}
              className="field"
              value={title}
              maxLength={200}
              onChange={(event) => setTitle(event.target.value)}
            />
          )}
        </Field>
        <Field label={strings.body}>
          {(id) => (
            <textarea
              id={id}
              className="field area"
              rows={2}
              value={body}
              maxLength={4_000}
              onChange={(event) => setBody(event.target.value)}
            />
          )}
        </Field>
        <div className="field-pair">
          <Field label={strings.type}>
            {(id) => <input id={id} className="field" value={type} onChange={(event) => setType(event.target.value)} />}
          </Field>
          <Field label={strings.category}>
            {(id) => (
              <>
                <input
                  id={id}
                  className="field"
                  list={listId}
                  value={category}
                  onChange={(event) => setCategory(event.target.value)}
                />
                <datalist id={listId}>
                  {CATEGORIES.map((one) => (
                    <option key={one} value={one} />
                  ))}
                </datalist>
              </>
            )}
          </Field>
        </div>
        <Field label={strings.url} hint={strings.urlHint}>
          {(id) => <input id={id} className="field" value={url} onChange={(event) => setUrl(event.target.value)} />}
        </Field>
        <details className="send-more">
          <summary>{strings.more}</summary>
          <Field label={strings.dedupKey} hint={strings.dedupHint}>
            {(id) => (
              <input id={id} className="field" value={dedupKey} onChange={(event) => setDedupKey(event.target.value)} />
            )}
          </Field>
          <Field label={strings.collapseKey} hint={strings.collapseHint}>
            {(id) => (
              <input
                id={id}
                className="field"
                value={collapseKey}
                onChange={(event) => setCollapseKey(event.target.value)}
              />
            )}
          </Field>
          <div className="field-pair">
            <Field label={strings.expiry}>
              {(id) => (
                <select
                  id={id}
                  className="field"
                  value={expiry}
                  onChange={(event) => setExpiry(event.target.value as keyof typeof EXPIRIES | "never")}
                >
                  <option value="never">{strings.expiryNever}</option>
                  {(Object.keys(EXPIRIES) as (keyof typeof EXPIRIES)[]).map((one) => (
                    <option key={one} value={one}>
                      {strings.expiryOptions[one]}
                    </option>
                  ))}
                </select>
              )}
            </Field>
            <Field label={strings.count}>
              {(id) => (
                <select
                  id={id}
                  className="field"
                  value={count}
                  onChange={(event) => setCount(Number(event.target.value))}
                >
                  {COUNTS.map((one) => (
                    <option key={one} value={one}>
                      {one}
                    </option>
                  ))}
                </select>
              )}
            </Field>
          </div>
        </details>
        <div className="send-foot">
          <button type="submit" className="button primary" disabled={isSending}>
            <Icon name="send" size={16} />
            {isSending ? strings.sending : strings.sendButton}
          </button>
          <p className="send-outcome" role="status" data-kind={outcome?.kind}>
            {outcome?.words}
          </p>
        </div>
      </form>
    </section>
  );
}

function Field(props: { label: string; hint?: string; children: (id: string) => ReactNode }) {
  const { label, hint, children } = props;
  const id = useId();
  return (
    <div className="form-field">
      <label className="field-label" htmlFor={id}>
        {label}
        {hint === undefined ? null : <span className="field-hint">{hint}</span>}
      </label>
      {children(id)}
    </div>
  );
}
