import type { DocumentStatus } from "yamabiko/client/documents";
import type { Language } from "../strings.ts";

/** Every visible string of documents. */
const en = {
  title: "Documents",
  list: "Documents",
  listHint: "The list is a document too.",
  newDocument: "New document",
  newPlaceholder: "name",
  create: "Create",
  nameBad: "Letters, digits and - _ . only, at most 60.",
  status: {
    loading: "Loading…",
    saved: "Saved",
    saving: "Saving…",
    offline: "Offline. Your edits are kept.",
    recovered: "Saved. Some text needs a look.",
    failed: "This document cannot be opened.",
  } satisfies Record<DocumentStatus, string>,
  version: (n: number) => `version ${n}`,
  mode: "View",
  editor: "Editor",
  textarea: "Plain text area",
  readOnly: "Read only",
  text: (id: string) => `Text of ${id}`,
  preview: "Preview",
  previewEmpty: "What you write in Markdown shows here.",
  people: (n: number) => (n === 1 ? "1 other person writes here" : `${n} other people write here`),
  alone: "Nobody else is writing. Open a second window.",
  goOffline: "Go offline",
  goOnline: "Go online",
  history: "History",
  closeHistory: "Back to the text",
  asOf: (n: number) => `As it was at version ${n}`,
  by: (user: string, time: string) => `${user}, ${time}`,
  restore: "Restore this version",
  historyEmpty: "There is no history yet.",
  historyFailed: "This version could not be read.",
  historyLoading: "Reading…",
  recoveredTitle: "Recovered text",
  recoveredText:
    "While you were away, others changed the places you wrote at. Nothing of yours is lost: take from here what you need.",
  refusedText: "The server did not take this. Nothing is lost: it is here.",
  copy: "Copy",
  copied: "Copied",
  dismiss: "Done with it",
};

/** The strings of one language. */
export type DocumentStrings = typeof en;

const ja: DocumentStrings = {
  title: "文書",
  list: "文書の一覧",
  listHint: "この一覧も共同編集の文書です。",
  newDocument: "新しい文書",
  newPlaceholder: "名前",
  create: "作成",
  nameBad: "文字、数字、- _ . のみ、60文字まで。",
  status: {
    loading: "読み込み中…",
    saved: "保存済み",
    saving: "保存中…",
    offline: "オフライン。編集は保持されます。",
    recovered: "保存済み。確認が必要な文があります。",
    failed: "この文書は開けません。",
  },
  version: (n) => `バージョン ${n}`,
  mode: "表示",
  editor: "エディター",
  textarea: "テキストエリア",
  readOnly: "閲覧のみ",
  text: (id) => `${id} の本文`,
  preview: "プレビュー",
  previewEmpty: "Markdown で書くとここに表示されます。",
  people: (n) => `ほかに ${n} 人が編集中`,
  alone: "ほかに編集している人はいません。もう一つウィンドウを開いてみてください。",
  goOffline: "オフラインにする",
  goOnline: "オンラインに戻す",
  history: "履歴",
  closeHistory: "本文に戻る",
  asOf: (n) => `バージョン ${n} の時点`,
  by: (user, time) => `${user}、${time}`,
  restore: "このバージョンに戻す",
  historyEmpty: "履歴はまだありません。",
  historyFailed: "このバージョンは読めませんでした。",
  historyLoading: "読み込み中…",
  recoveredTitle: "復元された文",
  recoveredText:
    "離れている間に、書いていた場所がほかの人に変更されました。何も失われていません。必要なものをここから取り出してください。",
  refusedText: "サーバーはこれを受け付けませんでした。失われてはいません。ここにあります。",
  copy: "コピー",
  copied: "コピーしました",
  dismiss: "片付ける",
};

/** The strings by language. */
export const DOCUMENT_STRINGS: Readonly<Record<Language, DocumentStrings>> = { en, ja };
