/** A task says with `finish` when the next one may start; that may be before its promise settles. It must not reject. */
export type Task = (finish: () => void) => Promise<void>;

/**
 * Messages of one client about one room are prepared one after the other, in the order they came. A task that never
 * waits before `finish` costs no more than a call.
 */
export class Lane {
  /** Null until something had to wait: most lanes never have anything. */
  #waiting: Task[] | null = null;
  #isBusy = false;

  get isIdle(): boolean {
    return !this.#isBusy;
  }

  run(task: Task): void {
    if (!this.#isBusy) this.#start(task);
    else if (this.#waiting === null) this.#waiting = [task];
    else this.#waiting.push(task);
  }

  #start(first: Task): void {
    let task: Task | undefined = first;
    while (task !== undefined) {
      this.#isBusy = true;
      let isSync = true;
      let isFinished = false;
      void task(() => {
        if (isFinished) return;
        isFinished = true;
        this.#isBusy = false;
        if (!isSync) this.#next();
      });
      isSync = false;
      if (!isFinished) return;
      task = this.#waiting?.shift();
    }
  }

  #next(): void {
    const task = this.#waiting?.shift();
    if (task !== undefined) this.#start(task);
  }
}
