import type { JsonObject } from "../../protocol/index.ts";
import type { OpenRoom, RoomFeature, RoomStart, StateChange, StoredEvent } from "../../session/namespace.ts";
import { type DocumentKind, kindOfEvent, readKind } from "./document-kind.ts";
import { CARET_FAMILY, Carets } from "./ot/carets.ts";
import { OtDocument, type OtDocumentOptions } from "./ot/ot-document.ts";
import { Past } from "./ot/past.ts";

/** What the namespace keeps of one document on this node. */
export class DocumentRoom implements RoomFeature {
  readonly ot: OtDocument;
  readonly carets: Carets;
  readonly past: Past;
  #kind: DocumentKind | null;

  private constructor(room: OpenRoom, kind: DocumentKind | null, ot: OtDocument) {
    this.#kind = kind;
    this.ot = ot;
    this.carets = new Carets(room, () => ot.state);
    this.past = new Past(room, ot);
  }

  /** Reads a document. Rejects with `unavailable` when the log cannot give it. */
  static async open(room: OpenRoom, options: OtDocumentOptions): Promise<DocumentRoom> {
    return new DocumentRoom(room, await readKind(room), await OtDocument.open(room, options));
  }

  /** How the document is edited; null while it is empty and anybody may decide. */
  get kind(): DocumentKind | null {
    return this.#kind;
  }

  get isBusy(): boolean {
    return this.ot.isBusy;
  }

  /** What a snapshot holds need not be kept to open the document. */
  get trimmable(): number {
    return this.ot.keptSeq;
  }

  start(): Promise<RoomStart> {
    return this.ot.start();
  }

  state(): JsonObject {
    return { [CARET_FAMILY]: this.carets.places() };
  }

  stateChanged(change: StateChange): void {
    if (change.family === CARET_FAMILY) this.carets.changed(change);
  }

  advanced(event: StoredEvent): void {
    this.#kind ??= kindOfEvent(event.type);
    this.ot.advanced(event);
    this.carets.advanced();
  }

  jumped(): void {
    this.ot.jumped();
  }

  close(): void {
    this.carets.close();
  }
}
