import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { markdown } from "@codemirror/lang-markdown";
import { HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { EditorView, keymap } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { useEffect, useRef } from "react";
import type { SharedDocument } from "yamabiko/client/documents";
import { yamabikoCollab } from "yamabiko/client/documents/codemirror";
import { bindTextarea } from "yamabiko/client/documents/textarea";

const highlighting = HighlightStyle.define([
  { tag: tags.heading, fontWeight: "700", color: "var(--accent)" },
  { tag: tags.strong, fontWeight: "700" },
  { tag: tags.emphasis, fontStyle: "italic" },
  { tag: [tags.link, tags.url], color: "var(--echo)" },
  { tag: tags.monospace, fontFamily: "var(--mono)" },
  { tag: [tags.quote, tags.processingInstruction, tags.meta], color: "var(--ink-soft)" },
]);

const theme = EditorView.theme({
  "&": { blockSize: "100%", fontSize: "15px" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--font)", lineHeight: "1.6", overflow: "auto" },
  ".cm-content": { padding: "18px 20px", caretColor: "var(--ink)" },
  ".cm-line": { padding: "0" },
  "&.cm-focused .cm-cursor": { borderInlineStartColor: "var(--ink)" },
});

/** The document in CodeMirror, with everybody's carets. */
export function Editor({ document, label }: { document: SharedDocument; label: string }) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const view = new EditorView({
      doc: document.doc,
      parent: place.current!,
      extensions: [
        history(),
        keymap.of([...defaultKeymap, ...historyKeymap]),
        markdown(),
        syntaxHighlighting(highlighting),
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ "aria-label": label, spellcheck: "false" }),
        theme,
        yamabikoCollab(document),
      ],
    });
    return () => view.destroy();
  }, [document, label]);
  return <div className="document-editor" ref={place} />;
}

/** The document in a plain text area. */
export function PlainEditor({ document, label }: { document: SharedDocument; label: string }) {
  const place = useRef<HTMLTextAreaElement>(null);
  useEffect(() => bindTextarea(document, place.current!), [document]);
  return <textarea className="document-plain" ref={place} aria-label={label} spellCheck={false} />;
}
