/** A task says with `finish` when the next one may start; that may be before its promise settles. It must not reject. */
export type Task = (finish: () => void) => Promise<void>;

/**
 * Messages of one client about one room are prepared one after the other, in the order they came. A task that never
 * waits before `finish` costs no more than a call.
 */
export class Lane {
  #waiting: Task[] = [];
  #isBusy = false;

  get isIdle(): boolean {
    return !this.#isBusy;
  }

  run(task: Task): void {
    if (this.#isBusy) this.#waiting.push(task);
    else this.#start(task);
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
      task = this.#waiting.shift();
    }
  }

  #next(): void {
    const task = this.#waiting.shift();
    if (task !== undefined) this.#start(task);
  }
}
