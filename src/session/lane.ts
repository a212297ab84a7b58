/** A way through for one at a time, in the order they came. */
export class Lane {
  /** Null until somebody had to wait: most lanes never have anybody. */
  #waiting: (() => void)[] | null = null;
  #isBusy = false;
  /** Whether those who waited are being let in: whoever leaves meanwhile makes way for the next of them. */
  #isLettingIn = false;

  /** Whether nothing is in it. */
  get isIdle(): boolean {
    return !this.#isBusy && !this.#waiting?.length;
  }

  /**
   * Calls `go` when the way is free: at once, or from within the `leave` of whoever was before.
   * Everybody who was let in leaves, once.
   */
  enter(go: () => void): void {
    if (this.isIdle) {
      this.#isBusy = true;
      go();
    } else if (this.#waiting === null) this.#waiting = [go];
    else this.#waiting.push(go);
  }

  leave(): void {
    this.#isBusy = false;
    if (this.#isLettingIn || !this.#waiting?.length) return;
    this.#isLettingIn = true;
    // A loop, because those who leave at once would otherwise stand on each other.
    while (!this.#isBusy && this.#waiting.length > 0) {
      this.#isBusy = true;
      this.#waiting.shift()!();
    }
    this.#isLettingIn = false;
  }
}
