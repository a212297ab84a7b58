/** Keeps one state and tells those who follow it, once per turn however often it changed. */
export abstract class Emitter<State> {
  readonly #listeners = new Set<() => void>();
  #state: State;
  #told = true;

  constructor(initial: State) {
    this.#state = initial;
  }

  readonly subscribe = (changed: () => void): (() => void) => {
    this.#listeners.add(changed);
    return () => this.#listeners.delete(changed);
  };

  readonly getSnapshot = (): State => this.#state;

  protected set(state: State): void {
    if (state === this.#state) return;
    this.#state = state;
    if (!this.#told) return;
    this.#told = false;
    queueMicrotask(() => {
      this.#told = true;
      for (const listener of [...this.#listeners]) listener();
    });
  }
}
