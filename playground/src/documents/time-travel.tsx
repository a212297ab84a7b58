import { ChangeSet } from "@codemirror/state";
import { useEffect, useId, useState } from "react";
import type { SharedDocument } from "yamabiko/client/documents";
import { useConnection } from "../connection/client-context.tsx";
import { localeOf } from "../shell/language.ts";
import type { Language } from "../strings.ts";
import type { DocumentStrings } from "./strings.ts";

interface Entry {
  readonly version: number;
  readonly from: number;
  readonly userId: string;
  readonly timestamp: string;
}

/** The document as it was: a slider over its versions, and the way back. */
export function TimeTravel(props: {
  document: SharedDocument;
  language: Language;
  strings: DocumentStrings;
  onClose: () => void;
}) {
  const { document, language, strings, onClose } = props;
  const connection = useConnection();
  const [newest] = useState(document.version);
  const [version, setVersion] = useState(newest);
  const [text, setText] = useState<{ version: number; text: string } | null>(null);
  const [hasFailed, setFailed] = useState(false);
  const [entries, setEntries] = useState<readonly Entry[]>([]);
  const slider = useId();

  useEffect(() => {
    const path = `/api/documents/${encodeURIComponent(document.documentId)}`;
    const stop = new AbortController();
    const read = async (query: string): Promise<never> => {
      const headers = { authorization: `Bearer ${await connection.token()}` };
      const response = await fetch(`${path}${query}`, { headers, signal: stop.signal });
      if (!response.ok) throw new Error(String(response.status));
      return (await response.json()) as never;
    };
    // Whoever drags passes many versions and wants to see where it stops.
    const timer = setTimeout(() => {
      read(`?version=${version}`).then(
        (body: { text: string }) => {
          setText({ version, text: body.text });
          setFailed(false);
        },
        () => {
          if (!stop.signal.aborted) setFailed(true);
        },
      );
    }, 60);
    if (entries.length === 0) {
      read("/history?limit=500").then(
        (body: { entries: Entry[] }) => setEntries(body.entries),
        () => {},
      );
    }
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [connection, document.documentId, version, entries.length]);

  const entry = entries.find((one) => one.from < version && version <= one.version);
  const time = new Intl.DateTimeFormat(localeOf(language), { dateStyle: "medium", timeStyle: "medium" });

  const restore = (): void => {
    if (text === null) return;
    const { length } = document.doc;
    document.edit(ChangeSet.of({ from: 0, to: length, insert: text.text }, length, "\n"));
    onClose();
  };

  if (newest === 0) {
    return (
      <section className="time-travel">
        <p className="muted">{strings.historyEmpty}</p>
        <button type="button" className="button small" onClick={onClose}>
          {strings.closeHistory}
        </button>
      </section>
    );
  }
  return (
    <section className="time-travel" aria-label={strings.history}>
      <div className="time-travel-bar">
        <label htmlFor={slider}>{strings.asOf(version)}</label>
        <input
          id={slider}
          type="range"
          min={0}
          max={newest}
          value={version}
          onChange={(event) => setVersion(Number(event.target.value))}
        />
        <p className="muted" role="status">
          {entry === undefined ? "" : strings.by(entry.userId, time.format(new Date(entry.timestamp)))}
        </p>
        <div className="time-travel-actions">
          <button
            type="button"
            className="button small primary"
            disabled={text?.version !== version || document.readOnly}
            onClick={restore}
          >
            {strings.restore}
          </button>
          <button type="button" className="button small" onClick={onClose}>
            {strings.closeHistory}
          </button>
        </div>
      </div>
      {hasFailed ? (
        <p className="field-error">{strings.historyFailed}</p>
      ) : (
        <textarea
          className="time-travel-text"
          readOnly
          aria-label={strings.asOf(version)}
          aria-busy={text?.version !== version}
          value={text?.text ?? strings.historyLoading}
        />
      )}
    </section>
  );
}
