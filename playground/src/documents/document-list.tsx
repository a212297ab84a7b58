import { ChangeSet } from "@codemirror/state";
import { type FormEvent, useId, useState } from "react";
import type { SharedDocument } from "yamabiko/client/documents";
import { formatHash } from "../shell/hash-route.ts";
import { Icon } from "../shell/icon.tsx";
import type { DocumentStrings } from "./strings.ts";
import { useDocumentEvents } from "./use-document.ts";

/** The document that names the others, one on each line. */
export const LIST_ID = "playground-list";
/** What a visitor sees first. */
export const FIRST_ID = "welcome";

const NAME = /^[\p{L}\p{M}\p{N}][\p{L}\p{M}\p{N}._-]{0,59}$/u;

/** Whether a document of the playground may be called so. */
export function isDocumentName(name: string): boolean {
  return NAME.test(name) && name !== LIST_ID;
}

/** The documents there are, and a way to a new one. */
export function DocumentList(props: { list: SharedDocument | null; current: string; strings: DocumentStrings }) {
  const { list, current, strings } = props;
  const [name, setName] = useState("");
  const [isBad, setBad] = useState(false);
  const field = useId();
  useDocumentEvents(list, "change", "status");
  const known = (list?.text ?? "").split("\n").map((line) => line.trim());
  const names = [...new Set([FIRST_ID, ...known.filter(isDocumentName), current])];

  const create = (event: FormEvent): void => {
    event.preventDefault();
    const wanted = name.normalize("NFC").trim().replace(/\s+/g, "-");
    setBad(!isDocumentName(wanted));
    if (!isDocumentName(wanted) || list === null || list.status === "loading") return;
    const { length } = list.doc;
    if (!known.includes(wanted)) {
      list.edit(ChangeSet.of({ from: length, insert: length > 0 ? `\n${wanted}` : wanted }, length, "\n"));
    }
    setName("");
    window.location.hash = formatHash("documents", wanted);
  };

  return (
    <nav className="document-list" aria-label={strings.list}>
      <h2>{strings.list}</h2>
      <ul>
        {names.map((id) => (
          <li key={id}>
            <a href={formatHash("documents", id)} aria-current={id === current ? "page" : undefined}>
              <Icon name="document" size={16} />
              <span>{id}</span>
            </a>
          </li>
        ))}
      </ul>
      <form onSubmit={create}>
        <label className="field-label" htmlFor={field}>
          {strings.newDocument}
        </label>
        <div className="field-row">
          <input
            id={field}
            className="field"
            value={name}
            placeholder={strings.newPlaceholder}
            aria-invalid={isBad}
            autoComplete="off"
            onChange={(event) => setName(event.target.value)}
          />
          <button type="submit" className="icon-button framed" aria-label={strings.create} title={strings.create}>
            <Icon name="plus" />
          </button>
        </div>
        {isBad ? (
          <p className="field-error">{strings.nameBad}</p>
        ) : (
          <p className="document-hint muted">{strings.listHint}</p>
        )}
      </form>
    </nav>
  );
}
