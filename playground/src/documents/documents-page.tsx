import { use, useState } from "react";
import type { SharedDocument } from "yamabiko/client/documents";
import { useStore } from "../chat/use-store.ts";
import { useConnection } from "../connection/client-context.tsx";
import { Icon } from "../shell/icon.tsx";
import { LanguageContext } from "../shell/language.ts";
import type { PageProps } from "../shell/pages.tsx";
import { DocumentList, FIRST_ID, isDocumentName, LIST_ID } from "./document-list.tsx";
import { Editor, PlainEditor } from "./editor.tsx";
import { Preview } from "./preview.tsx";
import { Recovered } from "./recovered.tsx";
import { DOCUMENT_STRINGS, type DocumentStrings } from "./strings.ts";
import { TimeTravel } from "./time-travel.tsx";
import { useDocument, useDocumentEvents } from "./use-document.ts";
import "./documents.css";

const MODES = ["editor", "textarea", "readOnly"] as const;
type Mode = (typeof MODES)[number];

/** Texts that everybody here writes at once: an editor with Markdown preview, offline, and as they were. */
export function DocumentsPage({ rest }: PageProps) {
  const { language, strings: shell } = use(LanguageContext);
  const strings = DOCUMENT_STRINGS[language];
  const { client, session } = useConnection();
  const id = isDocumentName(rest) ? rest : FIRST_ID;
  const list = useDocument(client, session.user, LIST_ID);
  const document = useDocument(client, session.user, id);
  return (
    <main className="documents" id="main" tabIndex={-1}>
      <title>{`${id} · ${strings.title} · ${shell.appName}`}</title>
      <DocumentList list={list} current={id} strings={strings} />
      {document === null ? (
        <section className="document" aria-busy="true" />
      ) : (
        <Sheet key={id} document={document} strings={strings} />
      )}
    </main>
  );
}

function Sheet({ document, strings }: { document: SharedDocument; strings: DocumentStrings }) {
  const { language } = use(LanguageContext);
  const connection = useConnection();
  const { status: link } = useStore(connection.store);
  const [mode, setMode] = useState<Mode>("editor");
  const [isPast, setPast] = useState(false);
  useDocumentEvents(document, "change", "status", "carets");
  const { status, text, version, documentId } = document;
  const isOffline = link === "closed";
  const label = strings.text(documentId);
  return (
    <section className="document" aria-label={documentId}>
      <header className="document-head">
        <h1>{documentId}</h1>
        <p className="document-status" role="status" data-status={status}>
          <span className="document-dot" aria-hidden="true" />
          {strings.status[status]}
        </p>
        <span className="muted document-version">{strings.version(version)}</span>
        <div className="document-tools">
          <select aria-label={strings.mode} value={mode} onChange={(event) => setMode(event.target.value as Mode)}>
            {MODES.map((one) => (
              <option key={one} value={one}>
                {strings[one]}
              </option>
            ))}
          </select>
          <button type="button" className="button small" aria-pressed={isPast} onClick={() => setPast(!isPast)}>
            <Icon name="clock" size={15} />
            {strings.history}
          </button>
          <button
            type="button"
            className="button small"
            onClick={() => (isOffline ? connection.goOnline() : connection.goOffline())}
          >
            <Icon name="cut" size={15} />
            {isOffline ? strings.goOnline : strings.goOffline}
          </button>
        </div>
      </header>
      <Recovered document={document} strings={strings} />
      {status === "failed" ? (
        <p className="field-error">{document.error?.message}</p>
      ) : isPast ? (
        <TimeTravel document={document} language={language} strings={strings} onClose={() => setPast(false)} />
      ) : (
        <div className="document-panes">
          <div className="document-pane" aria-busy={status === "loading"}>
            {mode === "editor" ? <Editor document={document} label={label} /> : null}
            {mode === "textarea" ? <PlainEditor document={document} label={label} /> : null}
            {mode === "readOnly" ? (
              <textarea className="document-read" readOnly aria-label={label} value={text} />
            ) : null}
          </div>
          {/* It scrolls, so the keyboard must reach it. */}
          <section
            className="document-pane document-preview"
            aria-label={strings.preview}
            // biome-ignore lint/a11y/noNoninteractiveTabindex: see above.
            tabIndex={0}
          >
            <Preview text={text} empty={strings.previewEmpty} />
          </section>
        </div>
      )}
      <People document={document} strings={strings} />
    </section>
  );
}

/** Who else has a caret here. */
function People({ document, strings }: { document: SharedDocument; strings: DocumentStrings }) {
  const people = new Map(document.carets.map(({ userId, userName, colour }) => [userId, { userName, colour }]));
  return (
    <footer className="document-people">
      <span className="muted">{people.size === 0 ? strings.alone : strings.people(people.size)}</span>
      <ul>
        {Array.from(people, ([userId, { userName, colour }]) => (
          <li key={userId}>
            <span className="document-person" style={{ backgroundColor: colour }} aria-hidden="true" />
            {userName}
          </li>
        ))}
      </ul>
    </footer>
  );
}
