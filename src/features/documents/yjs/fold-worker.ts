/** The thread for what takes long with large documents. Its way in and out is `fold-messages.ts`. */
import { parentPort } from "node:worker_threads";
import { YamabikoError } from "../../../protocol/index.ts";
import { answerFold } from "./fold-answer.ts";
import type { FoldReply, FoldRequest } from "./fold-messages.ts";

const port = parentPort!;

port.on("message", ({ id, question }: FoldRequest) => port.postMessage(reply(id, question)));

function reply(id: number, question: FoldRequest["question"]): FoldReply {
  try {
    return { id, answer: answerFold(question) };
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error);
    return { id, failure, isInvalid: error instanceof YamabikoError };
  }
}
