import { useState } from "react";
import type { SharedDocument } from "yamabiko/client/documents";
import { Icon } from "../shell/icon.tsx";
import type { DocumentStrings } from "./strings.ts";

/** What found no place in the text, for its author to see to. */
export function Recovered({ document, strings }: { document: SharedDocument; strings: DocumentStrings }) {
  const [isCopied, setCopied] = useState(false);
  if (document.recovered.length === 0) return null;
  const text = document.recovered.join("\n⋯\n");
  return (
    <section className="recovered" role="alert" aria-label={strings.recoveredTitle}>
      <Icon name="warning" />
      <div>
        <h2>{strings.recoveredTitle}</h2>
        <p>{document.error === null ? strings.recoveredText : strings.refusedText}</p>
        <pre>{text}</pre>
        <div className="recovered-actions">
          <button
            type="button"
            className="button small"
            onClick={() => {
              void navigator.clipboard?.writeText(text).then(() => setCopied(true));
            }}
          >
            {isCopied ? strings.copied : strings.copy}
          </button>
          <button type="button" className="button small" onClick={() => document.dismissRecovered()}>
            {strings.dismiss}
          </button>
        </div>
      </div>
    </section>
  );
}
