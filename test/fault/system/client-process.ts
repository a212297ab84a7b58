import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { ClientCommand, ClientPlan, ClientReport } from "./client-program.ts";
import type { ParticipantPlan } from "./participant.ts";

/** What all lives have in common. */
export type ClientProcessPlan = Omit<ClientPlan, "historyPath" | "formerPath" | "life">;

/** A process of clients that can be killed and goes on in another life. */
export class ClientProcess {
  readonly name: string;
  /** What its lives wrote, in order. */
  readonly historyPaths: string[] = [];
  /** What went wrong by itself; null when nothing did. */
  failure: Error | null = null;
  readonly #program: string;
  readonly #directory: string;
  readonly #plan: ClientProcessPlan;
  #child: ChildProcess | null = null;
  #report: ClientReport | null = null;
  /** What ended lives have had acknowledged. */
  #ackedBefore = 0;
  readonly #errors: string[] = [];
  #isQuiet = false;
  #printed = "";
  readonly #onExit = () => void this.#child?.kill("SIGKILL");

  constructor(name: string, program: string, directory: string, plan: ClientProcessPlan) {
    this.name = name;
    this.#program = program;
    this.#directory = directory;
    this.#plan = plan;
    process.on("exit", this.#onExit);
  }

  /** Who its clients are. */
  get participants(): readonly ParticipantPlan[] {
    return this.#plan.participants;
  }

  /** Messages acknowledged, as far as it has told. */
  get acked(): number {
    return this.#ackedBefore + (this.#report?.acked ?? 0);
  }

  /** Messages not answered, as far as it has told; null when it has not told anything in this life. */
  get waiting(): number | null {
    return this.#report?.waiting ?? null;
  }

  get hasReached(): boolean {
    return this.#report?.hasReached ?? false;
  }

  get behind(): readonly string[] {
    return this.#report?.behind ?? [`${this.name} has not said anything`];
  }

  /** What its clients reported as wrong, in all lives. */
  get errors(): readonly string[] {
    return [...this.#errors, ...(this.#report?.errors ?? [])];
  }

  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  start(): void {
    const life = this.historyPaths.length + 1;
    const historyPath = join(this.#directory, `${this.name}-${String(life).padStart(3, "0")}.jsonl`);
    const formerPath = this.historyPaths.at(-1) ?? null;
    this.historyPaths.push(historyPath);
    const child = fork(this.#program, [], { stdio: ["ignore", "pipe", "pipe", "ipc"] });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        this.#printed = `${this.#printed}${chunk.toString()}`.slice(-16 * 1024);
      });
    }
    child.on("message", (report: ClientReport) => {
      if (this.#child === child) this.#report = report;
    });
    child.on("exit", (code, signal) => {
      if (this.#child !== child) return;
      this.#child = null;
      this.failure = new Error(`${this.name} ended by itself with ${code ?? signal}. It printed:\n${this.#printed}`);
    });
    this.#tell({ command: "start", plan: { ...this.#plan, historyPath, formerPath, life } });
    if (this.#isQuiet) this.#tell({ command: "quiet" });
  }

  /** Ends this life without a warning. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#endLife();
    if (child === null || child.exitCode !== null) return;
    const exit = once(child, "exit");
    child.kill("SIGKILL");
    await exit;
  }

  /** Nothing new is sent from now on; what waits goes on. */
  quiet(): void {
    this.#isQuiet = true;
    this.#tell({ command: "quiet" });
  }

  /** Tells where the rooms end; `hasReached` says when everybody has been handed all of it. */
  reach(heads: readonly (readonly [string, number])[]): void {
    this.#tell({ command: "reach", heads });
  }

  /** Ends it when everything it saw is written down. */
  async close(): Promise<void> {
    process.off("exit", this.#onExit);
    const child = this.#child;
    if (child === null) return;
    const exit = once(child, "exit");
    const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
    this.#tell({ command: "close" });
    this.#child = null;
    await exit;
    clearTimeout(timer);
  }

  #endLife(): void {
    this.#child = null;
    this.#ackedBefore += this.#report?.acked ?? 0;
    this.#errors.push(...(this.#report?.errors ?? []));
    this.#report = null;
  }

  #tell(command: ClientCommand): void {
    if (this.#child?.connected === true) this.#child.send(command, () => {});
  }
}
