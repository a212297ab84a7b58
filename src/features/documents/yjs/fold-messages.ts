import type { DocumentState } from "./fold.ts";
import type { UpdateContents } from "./update.ts";

/** What the thread can be asked. */
export type FoldQuestion =
  | { readonly kind: "merge"; readonly state: DocumentState; readonly updates: readonly Uint8Array[] }
  | { readonly kind: "compact"; readonly state: DocumentState; readonly updates: readonly Uint8Array[] }
  | { readonly kind: "difference"; readonly state: Uint8Array; readonly stateVector: Uint8Array }
  | { readonly kind: "read"; readonly update: Uint8Array };

/** What it answers. */
export interface FoldAnswers {
  readonly merge: Uint8Array;
  readonly compact: Uint8Array;
  readonly difference: Uint8Array;
  readonly read: UpdateContents;
}

/** One question on its way to the thread. */
export interface FoldRequest {
  readonly id: number;
  readonly question: FoldQuestion;
}

/** One answer on its way back. */
export type FoldReply =
  | { readonly id: number; readonly answer: FoldAnswers[keyof FoldAnswers] }
  | { readonly id: number; readonly failure: string; readonly isInvalid: boolean };
