import { Worker } from "node:worker_threads";
import { YamabikoError } from "../../../protocol/index.ts";
import { answerFold } from "./fold-answer.ts";
import type { FoldAnswers, FoldQuestion, FoldReply, FoldRequest } from "./fold-messages.ts";

/** Up to this size a question is answered at once; it takes a few ms at most. Compacting always takes place in the thread. */
const INLINE_BYTES = 64 * 1024;
/** A question that takes longer than this is given up, ms. */
const ANSWER_MS = 60_000;
/** The thread ends when it was asked nothing for this long, ms. */
const IDLE_MS = 30_000;
/** The memory the thread may take; a document that needs more is not made, MiB. */
const HEAP_MIB = 1_024;
/** The most questions that wait for an answer. */
const WAITING = 1_000;

interface Waiting {
  readonly resolve: (answer: never) => void;
  readonly reject: (error: unknown) => void;
}

export type SpawnFoldWorker = () => Worker;

/** Starts the worker's file: the compiled one beside this one, or through jiti when this itself runs from source. */
export function spawnFoldWorker(): Worker {
  const isSource = import.meta.url.endsWith(".ts");
  return new Worker(new URL(isSource ? "./fold-worker.ts" : "./fold-worker.js", import.meta.url), {
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB },
    ...(isSource ? { execArgv: ["--import", "jiti/register"] } : {}),
  });
}

/**
 * Does what takes long with large documents, in a thread of its own, so that nobody waits who has nothing to do with them. Started
 * when it is needed, ended when it is not; it keeps no process alive.
 */
export class FoldThread {
  readonly #spawn: SpawnFoldWorker;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | null = null;
  #nextId = 0;
  /** Ends the thread when it is idle, or when it does not answer. */
  #timer: NodeJS.Timeout | undefined;

  constructor(spawn: SpawnFoldWorker = spawnFoldWorker) {
    this.#spawn = spawn;
  }

  /** How many questions are not answered yet. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Answers a question; a small one at once.
   * Rejects with `invalid_message` for an update that cannot be read, with `unavailable` when the thread cannot answer.
   */
  async ask<Q extends FoldQuestion>(question: Q): Promise<FoldAnswers[Q["kind"]]> {
    if (question.kind !== "compact" && bytesOf(question) <= INLINE_BYTES) return answerFold(question);
    if (this.#waiting.size >= WAITING) throw new YamabikoError("unavailable", "Too many documents are being read.");
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      this.#waiting.set(id, { resolve, reject });
      this.#worker ??= this.#start();
      this.#worker.postMessage({ id, question } satisfies FoldRequest);
      if (this.#waiting.size === 1) this.#endIn(ANSWER_MS);
    });
  }

  #start(): Worker {
    const worker = this.#spawn();
    worker.unref();
    worker.on("message", (reply: FoldReply) => this.#answered(reply));
    worker.on("error", () => {});
    worker.on("exit", () => {
      if (this.#worker === worker) this.#ended();
    });
    return worker;
  }

  #answered(reply: FoldReply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    this.#endIn(this.#waiting.size === 0 ? IDLE_MS : ANSWER_MS);
    if (waiting === undefined) return;
    if ("answer" in reply) waiting.resolve(reply.answer as never);
    else waiting.reject(new YamabikoError(reply.isInvalid ? "invalid_message" : "unavailable", reply.failure));
  }

  #endIn(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#worker?.terminate(), ms).unref();
  }

  /** What it was given is not answered any more; the next question starts another. */
  #ended(): void {
    clearTimeout(this.#timer);
    this.#worker = null;
    const unanswered = Array.from(this.#waiting.values());
    this.#waiting.clear();
    for (const { reject } of unanswered) reject(new YamabikoError("unavailable", "The document could not be read."));
  }
}

function bytesOf(question: Exclude<FoldQuestion, { kind: "compact" }>): number {
  if (question.kind === "read") return question.update.length;
  if (question.kind === "difference") return question.state.length + question.stateVector.length;
  return question.updates.reduce((sum, update) => sum + update.length, question.state?.length ?? 0);
}
