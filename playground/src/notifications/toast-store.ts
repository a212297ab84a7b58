import { Emitter } from "../chat/emitter.ts";

/** Something that shows for a while. */
export interface Toast<Content> {
  readonly id: string;
  readonly content: Content;
}

/** How long a toast shows, ms. */
export const TOAST_MS = 7_000;
/** As many show at once. */
export const MAX_TOASTS = 3;

/** Toasts, newest last: at most three, each for a while. While they are held none of them goes. */
export class ToastStore<Content> extends Emitter<readonly Toast<Content>[]> {
  /** By toast: how much of its time is left, and since when it runs. */
  readonly #left = new Map<string, { ms: number; since: number; timer: ReturnType<typeof setTimeout> | undefined }>();
  #isHeld = false;

  constructor() {
    super([]);
  }

  add(id: string, content: Content): void {
    if (this.#left.has(id)) return;
    const next = [...this.getSnapshot(), { id, content }];
    for (const { id: oldest } of next.splice(0, next.length - MAX_TOASTS)) this.#forget(oldest);
    this.#left.set(id, { ms: TOAST_MS, since: 0, timer: undefined });
    if (!this.#isHeld) this.#run(id);
    this.set(next);
  }

  remove(id: string): void {
    this.#forget(id);
    this.set(this.getSnapshot().filter((toast) => toast.id !== id));
  }

  /** Takes them all away. */
  clear(): void {
    for (const { id } of this.getSnapshot()) this.#forget(id);
    this.set([]);
  }

  /** Somebody reads or reaches for them: time stands still until `release`. */
  hold(): void {
    if (this.#isHeld) return;
    this.#isHeld = true;
    for (const left of this.#left.values()) {
      clearTimeout(left.timer);
      left.ms -= Date.now() - left.since;
    }
  }

  release(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    for (const id of this.#left.keys()) this.#run(id);
  }

  #run(id: string): void {
    const left = this.#left.get(id);
    if (left === undefined) return;
    left.since = Date.now();
    left.timer = setTimeout(() => this.remove(id), Math.max(500, left.ms));
  }

  #forget(id: string): void {
    clearTimeout(this.#left.get(id)?.timer);
    this.#left.delete(id);
  }
}
