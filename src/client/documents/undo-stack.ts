import type { ChangeSet, Text } from "@codemirror/state";
import { type Clock, systemClock } from "../../protocol/clock.ts";
import type { SharedDocument } from "./document.ts";

/** Edits that follow each other within this time are undone together, ms. */
const GROUP_MS = 500;
/** How many steps are remembered. */
const STEPS = 200;

/** A change that takes an edit back, as it was, and what others did since. */
interface Step {
  changes: ChangeSet;
  over: ChangeSet | null;
}

export interface UndoOptions {
  /** Edits closer to each other than this are one step, ms. Default: 500. */
  readonly groupMs?: number | undefined;
  /** For tests. */
  readonly clock?: Clock | undefined;
}

/** Takes back what was edited here, and nothing of what others did meanwhile. For editors that have no such thing of their own. */
export class UndoStack {
  readonly #document: SharedDocument;
  readonly #groupMs: number;
  readonly #clock: Clock;
  readonly #stop: () => void;
  #done: Step[] = [];
  #undone: Step[] = [];
  #doc: Text;
  #editedAt = Number.NEGATIVE_INFINITY;

  constructor(document: SharedDocument, { groupMs = GROUP_MS, clock = systemClock }: UndoOptions = {}) {
    this.#document = document;
    this.#groupMs = groupMs;
    this.#clock = clock;
    this.#doc = document.doc;
    this.#stop = document.on("change", ({ changes, remote, source }) => {
      if (remote) for (const stack of [this.#done, this.#undone]) put(stack, changes);
      else if (source !== this) this.#note(changes);
      this.#doc = document.doc;
    });
  }

  /** Takes back the last step; false when there is none. */
  undo(): boolean {
    return this.#step(this.#done, this.#undone);
  }

  /** Does again what was taken back last; false when there is nothing. */
  redo(): boolean {
    return this.#step(this.#undone, this.#done);
  }

  close(): void {
    this.#stop();
  }

  #note(changes: ChangeSet): void {
    const back = changes.invert(this.#doc);
    const now = this.#clock.monotonic();
    const last = this.#done.at(-1);
    const isSameStep = last?.over === null && this.#undone.length === 0 && now - this.#editedAt < this.#groupMs;
    if (isSameStep) last.changes = back.compose(last.changes);
    else this.#done.push({ changes: back, over: null });
    if (this.#done.length > STEPS) this.#done.shift();
    this.#undone = [];
    this.#editedAt = now;
  }

  #step(from: Step[], to: Step[]): boolean {
    for (let step = from.pop(); step !== undefined; step = from.pop()) {
      const { changes, over } = step;
      if (over !== null) put(from, over.map(changes, true));
      const now = over === null ? changes : changes.map(over);
      // What others have taken out already needs no taking back.
      if (now.empty) continue;
      to.push({ changes: now.invert(this.#doc), over: null });
      this.#editedAt = Number.NEGATIVE_INFINITY;
      this.#document.edit(now, this);
      return true;
    }
    return false;
  }
}

/** Others' change stands over the newest step; those below are brought forward when it goes. */
function put(stack: readonly Step[], changes: ChangeSet): void {
  const top = stack.at(-1);
  if (top !== undefined) top.over = top.over?.compose(changes) ?? changes;
}
