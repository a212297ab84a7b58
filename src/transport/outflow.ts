import { Socket } from "node:net";
import type { Fanout, Flushable } from "../room/fanout.ts";

/** With this much waiting, a connection is no longer written to by rooms, bytes. */
const WRITABLE_BYTES = 64 * 1024;
/** Up to this much is joined by copying; more goes out as a vector, bytes. */
const COPY_BYTES = 64 * 1024;

/** What a plain socket does with bytes when nothing waits in its stream. */
const { _write: writeAtOnce } = Socket.prototype;

const NOTHING_SEEN = { waiting: 0, taken: 0, queued: 0 };

/** Whose way out it is. */
export interface OutflowOwner {
  /** `writable` has become true again after it was seen false. */
  onWritable(): void;
}

/**
 * The way out of one socket: collects what is delivered during a turn and writes it once. Holds no more than what was
 * delivered while it was writable, and the answers to what the client itself asked.
 */
export class Outflow implements Flushable {
  readonly #socket: Socket;
  readonly #fanout: Fanout;
  readonly #owner: OutflowOwner;
  readonly #limitBytes: number;
  #first: Buffer | null = null;
  #more: Buffer[] | null = null;
  #newest: Buffer | null = null;
  #collected = 0;
  /** What was written past the socket's stream and has not left yet, bytes. */
  #leaving = 0;
  /** Whether something written may wait: else the socket need not be asked. */
  #mayWait = true;
  /** Whether the socket is one whose stream may be passed by. */
  readonly #isPlain: boolean;
  #isMarked = false;
  #isClosed = false;
  /** Somebody was told that it is not writable, and must be told when it is again. */
  #isAwaited = false;
  /** What `tookSome` saw when it was last asked. */
  #seen: { readonly waiting: number; readonly taken: number; readonly queued: number } = NOTHING_SEEN;

  /** @param owner calls `drained` when the socket says so. */
  constructor(socket: Socket, fanout: Fanout, limitBytes: number, owner: OutflowOwner) {
    this.#socket = socket;
    this.#fanout = fanout;
    this.#limitBytes = limitBytes;
    this.#owner = owner;
    this.#isPlain = socket._write === writeAtOnce && !("encrypted" in socket);
  }

  /** What the other side has not taken yet, as far as this process holds it. */
  get bytes(): number {
    return this.#collected + this.#unsent;
  }

  /** Whether something that was written has not left yet: what was only collected in this turn does not count. */
  get isWaiting(): boolean {
    return this.#unsent > 0;
  }

  /** What was written and has not left yet, bytes. */
  get #unsent(): number {
    if (!this.#mayWait) return 0;
    const bytes = this.#leaving + this.#socket.writableLength;
    this.#mayWait = bytes > 0;
    return bytes;
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

  /** Whether nothing is taken any more. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * Whether the other side took some of what waited for it, since this was last asked. What leaves without waiting says
   * nothing: the system takes it, whether anybody reads it or not.
   */
  tookSome(): boolean {
    const socket: Socket & { readonly _handle?: { readonly writeQueueSize?: number } | null } = this.#socket;
    const before = this.#seen;
    const waiting = this.#unsent;
    if (before.waiting === 0 && waiting === 0) return false;
    // A write of many bytes is done only when the last of them has left; how far it is, only the handle knows.
    const queued = socket._handle?.writeQueueSize ?? 0;
    const taken = socket.bytesWritten - waiting;
    this.#seen = waiting === 0 ? NOTHING_SEEN : { waiting, taken, queued };
    return before.waiting > 0 && (taken > before.taken || queued < before.queued);
  }

  deliver(bytes: Buffer): void {
    if (this.#isClosed) return;
    this.#collect(bytes);
    this.#mark();
  }

  /**
   * Takes a message that only the newest of its kind matters of: it leaves once in a turn, and not before the other side
   * takes what it was given earlier.
   */
  deliverNewest(bytes: Buffer): void {
    if (this.#isClosed) return;
    this.#newest = bytes;
    if (this.writable) this.#mark();
  }

  #collect(bytes: Buffer): void {
    if (this.#first === null) this.#first = bytes;
    else if (this.#more === null) this.#more = [bytes];
    else this.#more.push(bytes);
    this.#collected += bytes.length;
  }

  #mark(): void {
    if (this.#isMarked) return;
    this.#isMarked = true;
    this.#fanout.markSink(this);
  }

  /** Writes what was collected, in one write. */
  flush(): void {
    this.#isMarked = false;
    if (this.#newest !== null && this.writable) {
      this.#collect(this.#newest);
      this.#newest = null;
    }
    const first = this.#first;
    if (first === null || this.#isClosed) return;
    const more = this.#more;
    const total = this.#collected;
    this.#first = null;
    this.#more = null;
    this.#collected = 0;
    if (more === null) this.#write(first);
    else if (total <= COPY_BYTES) {
      more.unshift(first);
      this.#write(Buffer.concat(more, total));
    } else {
      const socket = this.#socket;
      this.#mayWait = true;
      socket.cork();
      socket.write(first);
      for (const bytes of more) socket.write(bytes);
      socket.uncork();
    }
    if (this.#isAwaited && this.#leaving === 0 && !this.#socket.writableNeedDrain) this.drained();
  }

  /**
   * Past the stream, where that is a plain socket with nothing in it: the stream's bookkeeping costs more than all else that
   * is done for one reader. What the system does not take at once waits in libuv, before what the stream writes after it.
   */
  #write(bytes: Buffer): void {
    const socket = this.#socket;
    if (!this.#isPlain || this.#unsent > 0 || !socket.writable) {
      this.#mayWait = true;
      socket.write(bytes);
      return;
    }
    const { length } = bytes;
    this.#leaving = length;
    socket._write(bytes, "buffer" as BufferEncoding, (error) => this.#written(length, error));
    if (this.#leaving > 0) this.#mayWait = true;
  }

  /** Called from within the write when the system took everything, else later. */
  #written(bytes: number, error?: Error | null): void {
    this.#leaving -= bytes;
    if (error) this.#socket.destroy(error);
    else if (this.#mayWait) this.drained();
  }

  /** Writes what was collected, and takes nothing more. */
  end(): void {
    this.flush();
    this.#isClosed = true;
  }

  /** The socket has taken everything (its event `drain`). */
  drained(): void {
    if (!this.#isAwaited || this.#isClosed) return;
    this.#isAwaited = false;
    if (this.#newest !== null) this.#mark();
    this.#owner.onWritable();
  }
}
