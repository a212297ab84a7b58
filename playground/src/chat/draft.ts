/** What stands in the composer. */
export interface Draft {
  readonly content: string;
  readonly caret: number;
}

/** What was begun in this room, in this window. */
export function loadDraft(room: string): Draft {
  try {
    const content = sessionStorage.getItem(key(room)) ?? "";
    return { content, caret: content.length };
  } catch {
    return { content: "", caret: 0 };
  }
}

/** Keeps what was begun in this room, over a look at another and over a reload. */
export function storeDraft(room: string, content: string): void {
  try {
    if (content === "") sessionStorage.removeItem(key(room));
    else sessionStorage.setItem(key(room), content);
  } catch {
    // Not kept; nothing else depends on it.
  }
}

function key(room: string): string {
  return `yamabiko.draft.${room}`;
}
