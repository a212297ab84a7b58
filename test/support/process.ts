import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";

/** A port that is free now. */
export async function freePort(): Promise<number> {
  const listener = createServer();
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as AddressInfo;
  listener.close();
  await once(listener, "close");
  return port;
}

/** A program of a test. It ends with the test's process, whatever happens. */
export class TestProcess {
  readonly #child: ChildProcess;
  #output = "";
  readonly #onExit = () => void this.#child.kill("SIGKILL");

  constructor(command: string, words: readonly string[], options: { uid?: number; gid?: number; cwd?: string } = {}) {
    this.#child = spawn(command, words, { stdio: ["ignore", "pipe", "pipe"], ...options });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.#output = (this.#output + text).slice(-20_000);
      });
    }
    this.#child.on("error", (error) => {
      this.#output += error.message;
    });
    process.on("exit", this.#onExit);
    this.#child.once("exit", () => process.off("exit", this.#onExit));
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  get isRunning(): boolean {
    return this.#child.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** The last of what it said. */
  get output(): string {
    return this.#output;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Ends it and waits until it is gone. */
  async end(name: NodeJS.Signals = "SIGTERM"): Promise<void> {
    if (!this.isRunning) return;
    const gone = once(this.#child, "exit");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), 10_000);
    // One that was stopped (SIGSTOP) would not hear anything but SIGKILL.
    this.#child.kill("SIGCONT");
    this.#child.kill(name);
    await gone;
    clearTimeout(timer);
  }
}

/** Waits until `isSo` holds; tells what was not so after `timeoutMs`. */
export async function until(what: string, isSo: () => Promise<boolean> | boolean, timeoutMs = 20_000): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`${what}: not after ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
