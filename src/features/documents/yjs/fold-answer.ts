import { compactUpdates, differenceTo, mergeUpdates } from "./fold.ts";
import type { FoldAnswers, FoldQuestion } from "./fold-messages.ts";
import { readUpdate } from "./update.ts";

/** Answers a question, here and now. Throws `YamabikoError` `invalid_message` for an update that cannot be read. */
export function answerFold<Q extends FoldQuestion>(question: Q): FoldAnswers[Q["kind"]] {
  return answer(question) as FoldAnswers[Q["kind"]];
}

function answer(question: FoldQuestion): FoldAnswers[keyof FoldAnswers] {
  switch (question.kind) {
    case "merge":
      return mergeUpdates(question.state, question.updates);
    case "compact":
      return compactUpdates(question.state, question.updates);
    case "difference":
      return differenceTo(question.state, question.stateVector);
    case "read":
      return readUpdate(question.update);
  }
}
