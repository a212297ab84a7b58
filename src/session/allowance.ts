/** How many messages of one client are prepared at once; each may have an answer of some hundred KiB in hand. */
const AT_ONCE = 8;

/**
 * How much of a client's work is done at once, whatever the number of its rooms: a few messages, none while the client
 * does not read its answers, and then one after the other. A message gives its place back when its append is asked for.
 */
export class Allowance {
  readonly #client: { readonly isCongested: boolean };
  /** Null until somebody had to wait. */
  #waiting: (() => void)[] | null = null;
  #busy = 0;
  #isEnded = false;

  /** @param client says whether it is owed more than it may be; when that is over, `wake` is called. */
  constructor(client: { readonly isCongested: boolean }) {
    this.#client = client;
  }

  /** Whether it may be forgotten: nobody has a place, and nobody waits for one. */
  get isIdle(): boolean {
    return this.#busy === 0 && !this.#waiting?.length;
  }

  /** Takes a place: null when there is one now, else a promise of it. */
  enter(): Promise<void> | null {
    if (this.#isEnded || (!this.#waiting?.length && this.#isFree())) {
      this.#busy++;
      return null;
    }
    const waiting = this.#waiting ?? [];
    this.#waiting = waiting;
    return new Promise((resolve) => waiting.push(resolve));
  }

  /** Gives a place back; whoever waits longest has it, unless the client stopped reading. */
  leave(): void {
    this.#busy--;
    this.wake();
  }

  /** Lets one of those who wait go on, when that may be. */
  wake(): void {
    if (!this.#waiting?.length || !this.#isFree()) return;
    this.#busy++;
    this.#waiting.shift()!();
  }

  /** The client is gone: nobody waits any more. */
  end(): void {
    this.#isEnded = true;
    const waiting = this.#waiting ?? [];
    this.#waiting = null;
    this.#busy += waiting.length;
    for (const resolve of waiting) resolve();
  }

  #isFree(): boolean {
    return this.#busy < AT_ONCE && !this.#client.isCongested;
  }
}
