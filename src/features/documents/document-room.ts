import type { JsonObject } from "../../protocol/index.ts";
import type {
  OpenRoom,
  ReaderContext,
  RoomFeature,
  RoomStart,
  StateChange,
  StoredEvent,
} from "../../session/namespace.ts";
import { type DocumentKind, kindOfEvent, readKind } from "./document-kind.ts";
import { CARET_FAMILY, Carets } from "./ot/carets.ts";
import { OtDocument, type OtDocumentOptions } from "./ot/ot-document.ts";
import { Past } from "./ot/past.ts";
import { AWARENESS } from "./yjs/awareness.ts";
import type { YjsDocument } from "./yjs/yjs-document.ts";
import type { YjsDocuments } from "./yjs/yjs-documents.ts";

/** What documents of either kind are opened with. */
export interface DocumentParts {
  readonly ot: OtDocumentOptions;
  readonly yjs: YjsDocuments;
}

/** What the namespace keeps of one document on this node. */
export class DocumentRoom implements RoomFeature {
  readonly room: OpenRoom;
  readonly ot: OtDocument;
  readonly carets: Carets;
  readonly past: Past;
  readonly yjs: YjsDocument;
  readonly #yjsDocuments: YjsDocuments;
  #kind: DocumentKind | null;

  private constructor(room: OpenRoom, kind: DocumentKind | null, ot: OtDocument, yjsDocuments: YjsDocuments) {
    this.room = room;
    this.#kind = kind;
    this.ot = ot;
    this.carets = new Carets(room, () => ot.state);
    this.past = new Past(room, ot);
    this.#yjsDocuments = yjsDocuments;
    this.yjs = yjsDocuments.open(room);
  }

  /** Reads a document. Rejects with `unavailable` when the log cannot give it. */
  static async open(room: OpenRoom, { ot, yjs }: DocumentParts): Promise<DocumentRoom> {
    const kind = await readKind(room);
    if (kind !== "yjs") return new DocumentRoom(room, kind, await OtDocument.open(room, ot), yjs);
    const document = new DocumentRoom(room, kind, OtDocument.empty(room, ot), yjs);
    await document.yjs.load();
    return document;
  }

  /** How the document is edited; null while it is empty and anybody may decide. */
  get kind(): DocumentKind | null {
    return this.#kind;
  }

  get isBusy(): boolean {
    return this.ot.isBusy || this.yjs.isBusy;
  }

  /** Without what Yjs takes: its documents are let go of by a bound of their own. */
  get bytes(): number {
    return this.ot.bytes + this.past.bytes;
  }

  /** What a snapshot holds need not be kept to open the document. */
  get trimmable(): number {
    return this.#kind === "yjs" ? this.yjs.trimmable : this.ot.keptSeq;
  }

  async start({ options }: ReaderContext): Promise<RoomStart | null> {
    if (options.snapshot === false) return null;
    return this.#kind === "yjs" ? this.yjs.start() : this.ot.start();
  }

  state(): JsonObject {
    const awareness = { [AWARENESS]: this.yjs.awareness.values() };
    if (this.#kind === "yjs") return awareness;
    const carets = { [CARET_FAMILY]: this.carets.places() };
    // Somebody may be there who would make it one of Yjs.
    return this.#kind === "ot" || this.yjs.awareness.count === 0 ? carets : { ...carets, ...awareness };
  }

  stateChanged(change: StateChange): void {
    if (change.family === CARET_FAMILY) this.carets.changed(change);
    else this.yjs.stateChanged(change);
  }

  advanced(event: StoredEvent): void {
    this.#kind ??= kindOfEvent(event.type);
    if (this.#kind === "yjs") {
      this.yjs.advanced(event);
      return;
    }
    this.ot.advanced(event);
    this.carets.advanced();
  }

  jumped(): void {
    if (this.#kind === "yjs") this.yjs.jumped();
    else this.ot.jumped();
  }

  close(): void {
    this.carets.close();
    this.#yjsDocuments.close(this.yjs);
  }
}
