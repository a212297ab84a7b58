import type { OpenRoom } from "../../../session/namespace.ts";
import { FoldThread } from "./fold-thread.ts";
import { YjsDocument } from "./yjs-document.ts";

/** How large Yjs documents may be. */
export interface YjsOptions {
  /** The largest document, bytes, as Yjs encodes it. Default: 10 MiB. */
  readonly maxBytes?: number | undefined;
  /** The most that one client may say of itself in awareness, bytes. Default: 16 KiB. */
  readonly awarenessBytes?: number | undefined;
  /** With more than this in memory, documents that nobody has open are let go of, bytes. Default: 256 MiB. */
  readonly memoryBytes?: number | undefined;
}

const MIB = 1024 * 1024;

/** The Yjs documents in memory on this node. */
export class YjsDocuments {
  readonly #options: Required<YjsOptions>;
  readonly #folds = new FoldThread();
  /** The longest unused first. */
  readonly #open = new Set<YjsDocument>();
  #bytes = 0;

  constructor({ maxBytes = 10 * MIB, awarenessBytes = 16 * 1024, memoryBytes = 256 * MIB }: YjsOptions = {}) {
    this.#options = { maxBytes, awarenessBytes, memoryBytes };
  }

  /** What they take, bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How many pieces of work wait for the thread. */
  get waiting(): number {
    return this.#folds.waiting;
  }

  /** Makes the document of a room; nothing is read yet. */
  open(room: OpenRoom): YjsDocument {
    const { maxBytes, awarenessBytes } = this.#options;
    return new YjsDocument({
      room,
      folds: this.#folds,
      maxBytes,
      awarenessBytes,
      onUse: (document) => this.#used(document),
      onGrow: (bytes) => {
        this.#bytes += bytes;
      },
    });
  }

  /** The document's room is let go. */
  close(document: YjsDocument): void {
    document.close();
    document.unload();
    this.#open.delete(document);
  }

  #used(document: YjsDocument): void {
    this.#open.delete(document);
    this.#open.add(document);
    for (const oldest of this.#open) {
      if (this.#bytes <= this.#options.memoryBytes) return;
      if (oldest === document || !oldest.isUnused) continue;
      oldest.unload();
      this.#open.delete(oldest);
    }
  }
}
