import {
  Annotation,
  Compartment,
  EditorState,
  type Extension,
  type Range,
  StateEffect,
  Transaction,
  type TransactionSpec,
} from "@codemirror/state";
import { Decoration, type DecorationSet, EditorView, ViewPlugin, type ViewUpdate, WidgetType } from "@codemirror/view";
import type { SharedDocument } from "./document.ts";

/** Marks what came from the document, so that it does not go back there. */
const received = Annotation.define<true>();
/** Others' carets moved. */
const moved = StateEffect.define<null>();

/**
 * Edits a document in a CodeMirror 6 editor: `new EditorView({ doc: document.doc, extensions: [history(), yamabikoCollab(document)] })`. Others' edits
 * come in and are left out of the editor's history, so that undo takes back one's own alone; others' carets are shown with their
 * names. Who may only read cannot type.
 */
export function yamabikoCollab(shared: SharedDocument): Extension {
  const mayEdit = new Compartment();
  const isReadOnly = (): boolean => shared.readOnly || shared.status === "loading" || shared.status === "failed";
  const rights = (): Extension => [EditorState.readOnly.of(isReadOnly()), EditorView.editable.of(!isReadOnly())];

  const plugin = ViewPlugin.fromClass(
    class {
      carets: DecorationSet = Decoration.none;
      #isReadOnly = isReadOnly();
      readonly #view: EditorView;
      readonly #stops: (() => void)[];

      constructor(view: EditorView) {
        this.#view = view;
        this.#stops = [
          shared.on("change", ({ changes, source }) => {
            if (source === view) return;
            if (changes.length === view.state.doc.length) this.#receive(changes);
            else this.#catchUp();
          }),
          shared.on("carets", () => view.dispatch({ effects: moved.of(null) })),
          shared.on("status", () => this.#checkRights()),
        ];
        // The editor may have been made with another text, or before there was one. It cannot be changed while it is being made.
        queueMicrotask(() => this.#catchUp());
        this.#show();
      }

      update(update: ViewUpdate): void {
        for (const transaction of update.transactions) {
          if (transaction.docChanged && !transaction.annotation(received)) shared.edit(transaction.changes, this.#view);
        }
        if (update.docChanged || update.selectionSet || update.focusChanged) this.#tellCaret(update);
        const isMoved = update.transactions.some(({ effects }) => effects.some((effect) => effect.is(moved)));
        if (update.docChanged || isMoved) this.#show();
      }

      destroy(): void {
        for (const stop of this.#stops) stop();
        shared.moveCaret(null);
      }

      #catchUp(): void {
        const { doc } = this.#view.state;
        if (!doc.eq(shared.doc)) this.#receive({ from: 0, to: doc.length, insert: shared.doc });
      }

      #receive(changes: NonNullable<TransactionSpec["changes"]>): void {
        this.#view.dispatch({
          changes,
          annotations: [received.of(true), Transaction.remote.of(true), Transaction.addToHistory.of(false)],
          filter: false,
        });
      }

      #tellCaret({ state, view }: ViewUpdate): void {
        const { anchor, head } = state.selection.main;
        if (view.hasFocus) shared.moveCaret(anchor, head);
        else shared.moveCaret(null);
      }

      #checkRights(): void {
        if (this.#isReadOnly === isReadOnly()) return;
        this.#isReadOnly = isReadOnly();
        this.#view.dispatch({ effects: mayEdit.reconfigure(rights()) });
      }

      #show(): void {
        const ranges: Range<Decoration>[] = [];
        const { length } = this.#view.state.doc;
        for (const { anchor, head, colour, userName } of shared.carets) {
          const [from, to] = anchor < head ? [anchor, head] : [head, anchor];
          if (to > length) continue;
          if (from < to) {
            const attributes = { style: `background-color: color-mix(in srgb, ${safe(colour)} 25%, transparent)` };
            ranges.push(Decoration.mark({ class: "yamabiko-selection", attributes }).range(from, to));
          }
          ranges.push(Decoration.widget({ widget: new CaretWidget(userName, safe(colour)), side: 1 }).range(head));
        }
        this.carets = Decoration.set(ranges, true);
      }
    },
    { decorations: (value) => value.carets },
  );
  return [mayEdit.of(rights()), plugin, caretTheme];
}

/** A colour goes into a style, so it is one or nothing. */
function safe(colour: string): string {
  return /^#[0-9a-f]{6}$/i.test(colour) ? colour : "#5b5f66";
}

class CaretWidget extends WidgetType {
  readonly #name: string;
  readonly #colour: string;

  constructor(name: string, colour: string) {
    super();
    this.#name = name;
    this.#colour = colour;
  }

  override eq(other: CaretWidget): boolean {
    return other.#name === this.#name && other.#colour === this.#colour;
  }

  override toDOM(): HTMLElement {
    const caret = document.createElement("span");
    caret.className = "yamabiko-caret";
    caret.style.borderColor = this.#colour;
    caret.ariaHidden = "true";
    const label = document.createElement("span");
    label.className = "yamabiko-caret-name";
    label.style.backgroundColor = this.#colour;
    label.textContent = this.#name;
    caret.append(label);
    return caret;
  }

  override ignoreEvent(): boolean {
    return true;
  }
}

const caretTheme = EditorView.baseTheme({
  ".yamabiko-caret": {
    position: "relative",
    borderInlineStart: "2px solid",
    marginInline: "-1px",
    pointerEvents: "none",
  },
  ".yamabiko-caret-name": {
    position: "absolute",
    insetBlockEnd: "100%",
    insetInlineStart: "-2px",
    padding: "0 4px",
    borderRadius: "4px 4px 4px 0",
    color: "#ffffff",
    fontFamily: "system-ui, sans-serif",
    fontSize: "11px",
    lineHeight: "15px",
    whiteSpace: "nowrap",
    userSelect: "none",
    zIndex: "1",
  },
  // Above the first line there is no place for it.
  ".cm-line:first-child .yamabiko-caret-name": {
    insetBlockEnd: "auto",
    insetBlockStart: "100%",
    borderRadius: "0 4px 4px 4px",
  },
});
