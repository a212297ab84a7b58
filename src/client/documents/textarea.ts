import { ChangeSet } from "@codemirror/state";
import type { SharedDocument } from "./document.ts";
import { replacement } from "./replacement.ts";
import { UndoStack } from "./undo-stack.ts";

/**
 * Edits a document in a plain `<textarea>`: what is typed there goes to everybody, and what others type appears there without
 * moving the selection from its text. Undo takes back one's own edits alone. While an input method composes, others' edits wait.
 *
 * Gives the function that lets go of the element.
 */
export function bindTextarea(shared: SharedDocument, element: HTMLTextAreaElement): () => void {
  const undo = new UndoStack(shared);
  const { ownerDocument } = element;
  const source = {};
  /** What the element shows, as far as the document knows. */
  let shown = "";
  /** What others did while the input method composes; not shown yet. */
  let behind: ChangeSet | null = null;
  let isComposing = false;

  const show = (changes: ChangeSet): void => {
    const { selectionStart, selectionEnd, selectionDirection, scrollTop } = element;
    shown = shared.text;
    element.value = shown;
    const at = (position: number): number => changes.mapPos(Math.min(position, changes.length), -1);
    element.setSelectionRange(at(selectionStart), at(selectionEnd), selectionDirection);
    element.scrollTop = scrollTop;
  };

  const read = (): void => {
    const { value, selectionEnd } = element;
    if (value === shown || /\p{Surrogate}/u.test(value)) return;
    let changes = ChangeSet.of(replacement(shown, value, 0, selectionEnd), shown.length, "\n");
    shown = value;
    if (behind !== null) {
      const others: ChangeSet = behind;
      behind = others.map(changes, true);
      changes = changes.map(others);
    }
    shared.edit(changes, source);
  };

  const compose = (): void => {
    isComposing = true;
  };

  const settle = (): void => {
    isComposing = false;
    read();
    const others = behind;
    behind = null;
    if (others !== null) show(others);
  };

  const select = (): void => {
    if (isComposing || behind !== null || shown !== element.value) return;
    const isHere = ownerDocument.activeElement === element;
    const { selectionStart, selectionEnd, selectionDirection } = element;
    if (!isHere) shared.moveCaret(null);
    else if (selectionDirection === "backward") shared.moveCaret(selectionEnd, selectionStart);
    else shared.moveCaret(selectionStart, selectionEnd);
  };

  const mayEdit = (): void => {
    element.readOnly = shared.readOnly || shared.status === "loading" || shared.status === "failed";
  };

  const step = (isRedo: boolean): void => {
    if (!element.readOnly) void (isRedo ? undo.redo() : undo.undo());
  };

  const listeners: [EventTarget, string, (event: never) => void][] = [
    [element, "input", read],
    [element, "compositionstart", compose],
    [element, "compositionend", settle],
    [
      element,
      "beforeinput",
      (event: InputEvent) => {
        if (event.inputType !== "historyUndo" && event.inputType !== "historyRedo") return;
        event.preventDefault();
        step(event.inputType === "historyRedo");
      },
    ],
    [
      element,
      "keydown",
      (event: KeyboardEvent) => {
        // The browser forgets its own steps when the value is set, and would not ask.
        const key = event.key.toLowerCase();
        if (!(event.ctrlKey || event.metaKey) || event.altKey || event.isComposing) return;
        if (key !== "z" && !(key === "y" && event.ctrlKey)) return;
        event.preventDefault();
        step(key === "y" || event.shiftKey);
      },
    ],
    [ownerDocument, "selectionchange", select],
    [element, "blur", () => shared.moveCaret(null)],
  ];
  for (const [target, name, run] of listeners) target.addEventListener(name, run as EventListener);

  const stops = [
    shared.on("change", ({ changes, source: by }) => {
      if (by === source) return;
      if (isComposing) behind = behind?.compose(changes) ?? changes;
      else show(changes);
    }),
    shared.on("status", mayEdit),
  ];
  mayEdit();
  shown = shared.text;
  element.value = shown;

  return () => {
    for (const [target, name, run] of listeners) target.removeEventListener(name, run as EventListener);
    for (const stop of stops) stop();
    undo.close();
  };
}
