import type { Socket } from "node:net";
import type { Fanout, Flushable } from "../room/fanout.ts";

/** With this much waiting, a connection is no longer written to by rooms, bytes. */
const WRITABLE_BYTES = 64 * 1024;
/** Up to this much is joined by copying; more goes out as a vector, bytes. */
const COPY_BYTES = 64 * 1024;

/**
 * The way out of one socket: collects what is delivered during a turn and writes it once. Holds no more than what was
 * delivered while it was writable, and the answers to what the client itself asked.
 */
export class Outflow implements Flushable {
  readonly #socket: Socket;
  readonly #fanout: Fanout;
  readonly #onWritable: () => void;
  readonly #limitBytes: number;
  #first: Buffer | null = null;
  #more: Buffer[] | null = null;
  #collected = 0;
  #isMarked = false;
  #isClosed = false;
  /** Somebody was told that it is not writable, and must be told when it is again. */
  #isAwaited = false;

  /** @param onWritable called when `writable` has become true again after it was seen false. */
  constructor(socket: Socket, fanout: Fanout, limitBytes: number, onWritable: () => void) {
    this.#socket = socket;
    this.#fanout = fanout;
    this.#limitBytes = limitBytes;
    this.#onWritable = onWritable;
    socket.on("drain", this.#drained);
  }

  /** What the other side has not taken yet, as far as this process holds it. */
  get bytes(): number {
    return this.#collected + this.#socket.writableLength;
  }

  get writable(): boolean {
    if (this.#isClosed) return false;
    if (this.bytes < WRITABLE_BYTES) return true;
    this.#isAwaited = true;
    return false;
  }

  get isCongested(): boolean {
    if (this.bytes <= this.#limitBytes) return false;
    this.#isAwaited = true;
    return true;
  }

  deliver(bytes: Buffer): void {
    if (this.#isClosed) return;
    if (this.#first === null) this.#first = bytes;
    else if (this.#more === null) this.#more = [bytes];
    else this.#more.push(bytes);
    this.#collected += bytes.length;
    if (!this.#isMarked) {
      this.#isMarked = true;
      this.#fanout.markSink(this);
    }
  }

  /** Writes what was collected, in one write. */
  flush(): void {
    this.#isMarked = false;
    const first = this.#first;
    if (first === null || this.#isClosed) return;
    const more = this.#more;
    const total = this.#collected;
    this.#first = null;
    this.#more = null;
    this.#collected = 0;
    const socket = this.#socket;
    if (more === null) socket.write(first);
    else if (total <= COPY_BYTES) {
      more.unshift(first);
      socket.write(Buffer.concat(more, total));
    } else {
      socket.cork();
      socket.write(first);
      for (const bytes of more) socket.write(bytes);
      socket.uncork();
    }
    if (this.#isAwaited && !socket.writableNeedDrain) this.#drained();
  }

  /** Writes what was collected, and takes nothing more. */
  end(): void {
    this.flush();
    this.#isClosed = true;
    this.#socket.off("drain", this.#drained);
  }

  readonly #drained = (): void => {
    if (!this.#isAwaited || this.#isClosed) return;
    this.#isAwaited = false;
    this.#onWritable();
  };
}
