import { tmpdir } from "node:os";
import type { Terminal } from "../../src/bin/terminal.ts";

/** A terminal that remembers what it was told. */
export class FakeTerminal implements Terminal {
  readonly printed: string[] = [];
  readonly noted: string[] = [];
  readonly env: Record<string, string | undefined>;
  readonly directory: string;
  readonly #stopping = new AbortController();
  readonly #input: Iterable<string> | AsyncIterable<string>;

  constructor(
    env: Record<string, string | undefined> = {},
    input: Iterable<string> | AsyncIterable<string> = [],
    directory = tmpdir(),
  ) {
    this.env = env;
    this.directory = directory;
    this.#input = input;
  }

  get stopped(): AbortSignal {
    return this.#stopping.signal;
  }

  stop(): void {
    this.#stopping.abort();
  }

  print(line: string): void {
    this.printed.push(line);
  }

  note(line: string): void {
    this.noted.push(line);
  }

  async *lines(): AsyncIterable<string> {
    yield* this.#input;
  }
}
