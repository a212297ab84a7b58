/** What a listener is, before its name gives it types. */
export type Listener = (payload: never, envelope: never) => void;

interface Entry {
  readonly run: (payload: unknown, envelope: unknown) => void;
  readonly once: boolean;
}

/**
 * Something with named listeners. They run in the order they were added. One that throws stops neither the others nor the caller: what
 * it threw goes to `onThrow`. Listeners added or removed during a `tell` count from the next one.
 */
export class Emitter {
  readonly #entries = new Map<string, readonly Entry[]>();
  readonly #onThrow: (thrown: unknown) => void;

  constructor(onThrow: (thrown: unknown) => void) {
    this.#onThrow = onThrow;
  }

  /** Adds a listener; returns the function that removes it again. */
  on(name: string, run: Listener): () => void {
    return this.#add(name, run, false);
  }

  /** As `on`, for the next time only. */
  once(name: string, run: Listener): () => void {
    return this.#add(name, run, true);
  }

  /** Removes every registration of `run` under `name`. */
  off(name: string, run: Listener): void {
    this.#keep(name, (entry) => entry.run !== run);
  }

  /** Calls the listeners of `name`; false when there are none. */
  tell(name: string, payload?: unknown, envelope?: unknown): boolean {
    const entries = this.#list(name);
    for (const entry of entries) {
      if (entry.once) this.#keep(name, (other) => other !== entry);
      try {
        entry.run(payload, envelope);
      } catch (thrown) {
        this.#onThrow(thrown);
      }
    }
    return entries.length > 0;
  }

  /** Removes every listener. */
  silence(): void {
    this.#entries.clear();
  }

  #add(name: string, run: Listener, once: boolean): () => void {
    const entry: Entry = { run: run as Entry["run"], once };
    this.#entries.set(name, [...this.#list(name), entry]);
    return () => this.#keep(name, (other) => other !== entry);
  }

  #list(name: string): readonly Entry[] {
    return this.#entries.get(name) ?? [];
  }

  #keep(name: string, stays: (entry: Entry) => boolean): void {
    this.#entries.set(name, this.#list(name).filter(stays));
  }
}
