/** The thread that owns the file. Its way in and out is `messages.ts`. */
import { parentPort, workerData } from "node:worker_threads";
import { YamabikoError } from "../../protocol/index.ts";
import { openLogFile, reasonOf } from "./file.ts";
import type { FileSettings, FromWorker, ToWorker } from "./messages.ts";
import { Store } from "./store.ts";

/** How long a replaced or removed payload may stay in the write-ahead log, ms. */
const PURGE_MS = 10_000;

const port = parentPort!;

function tell(message: FromWorker): void {
  port.postMessage(message);
}

try {
  const file = await openLogFile(workerData as FileSettings);
  serve(new Store(file.database), () => file.close());
  tell({ kind: "opened" });
} catch (error) {
  const remedy = error instanceof YamabikoError ? error.remedy : undefined;
  tell({ kind: "refused", message: reasonOf(error), remedy });
  port.close();
}

function serve(store: Store, close: () => void): void {
  let purge: NodeJS.Timeout | undefined;

  function schedulePurge(): void {
    purge ??= setTimeout(() => {
      purge = undefined;
      if (!isPurged(store)) schedulePurge();
    }, PURGE_MS);
  }

  // What a killed process left in the write-ahead log may have been removed since.
  if (!isPurged(store)) schedulePurge();

  port.on("message", (message: ToWorker) => {
    switch (message.kind) {
      case "batch":
        try {
          tell({ kind: "committed", outcome: store.commit(message) });
          if (store.takePurged()) schedulePurge();
        } catch (error) {
          tell({ kind: "failed", reason: reasonOf(error) });
        }
        break;
      case "question":
        try {
          tell({ kind: "answer", id: message.id, answer: store.answer(message.request) });
        } catch (error) {
          tell({ kind: "unanswered", id: message.id, reason: reasonOf(error) });
        }
        break;
      case "close":
        clearTimeout(purge);
        close();
        port.close();
        break;
    }
  });
}

function isPurged(store: Store): boolean {
  try {
    return store.checkpoint();
  } catch {
    return false;
  }
}
