/** Documents that several people edit at once. */
export type { CaretView } from "./carets.ts";
export {
  type DocumentChange,
  type DocumentEvents,
  type DocumentOptions,
  type DocumentStatus,
  SharedDocument,
} from "./document.ts";
export { openDocument } from "./open-document.ts";
export type { DocumentStorage, StoredDocument } from "./stored-document.ts";
