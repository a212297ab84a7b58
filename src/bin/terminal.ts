import { ConfigError } from "../server/config-error.ts";

/** What a command may touch of the process, so that tests can stand in for it. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The working directory. */
  readonly directory: string;
  /** Writes a line of result. */
  print(line: string): void;
  /** Resolves when what was printed was taken, for commands that print much. Absent where nothing waits. */
  readonly flushed?: () => Promise<void>;
  /** Writes a line about what is going on. */
  note(line: string): void;
  /** The lines of standard input. */
  lines(): AsyncIterable<string>;
  /** Aborted when the person asks to stop. */
  readonly stopped: AbortSignal;
}

/** Runs one command with its arguments. Resolves to the exit code. */
export type Command = (args: readonly string[], terminal: Terminal) => Promise<number>;

/** A command line that cannot be carried out: what is wrong, and what to do about it. */
export class UsageError extends ConfigError {}

/** Resolves when the person asks to stop. */
export function untilStopped(terminal: Terminal): Promise<void> {
  const { stopped } = terminal;
  if (stopped.aborted) return Promise.resolve();
  return new Promise((resolve) => stopped.addEventListener("abort", () => resolve(), { once: true }));
}

/** Characters a terminal would act on, or that turn text around, written as JSON escapes. */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
