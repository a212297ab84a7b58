import cluster from "node:cluster";
import { createRemoteBus } from "../../bus/remote.ts";
import { createRemoteLog } from "../../log/remote.ts";
import type { ServerOptions } from "../options.ts";
import { createNode, createNodeId, type YamabikoServer } from "../server.ts";
import { Lanes } from "./lanes.ts";
import type { Failure, FromWorker, ToWorker, WorkerSetup } from "./messages.ts";

/** Whether this process is a worker of another one. */
export function isWorker(): boolean {
  return cluster.isWorker;
}

/**
 * Serves as one of the workers, until the primary or `stopped` says to end. A worker whose primary has gone ends at once: its
 * log has gone with it.
 */
export async function runWorker(options: ServerOptions, stopped: AbortSignal): Promise<void> {
  const lanes = new Lanes(process);
  const life = lanes.port("life");
  const say = (word: FromWorker): void => life.send(word);
  const nodeId = createNodeId();
  let server: YamabikoServer | null = null;
  let setUp: (setup: WorkerSetup) => void = () => {};
  const setup = new Promise<WorkerSetup>((resolve) => {
    setUp = resolve;
  });
  const closed = new Promise<void>((resolve) => {
    stopped.addEventListener("abort", () => resolve(), { once: true });
    life.listen(
      (message) => {
        const word = message as ToWorker;
        if (word.kind === "setup") setUp(word.setup);
        else resolve();
      },
      () => process.exit(1),
    );
  });
  say({ kind: "began", nodeId });
  const { port, admin, devSecret, guestSecret, isLogHere } = await setup;
  try {
    server = createNode(
      {
        ...options,
        port,
        admin: admin ?? undefined,
        ...(isLogHere && {
          log: createRemoteLog(lanes.port("log")),
          bus: createRemoteBus(lanes.port("bus")),
        }),
      },
      { nodeId, guestSecret, devSecret: devSecret ?? undefined, isWorker: isLogHere },
    );
    say({ kind: "listening", ...(await server.listen()) });
  } catch (error) {
    say({ kind: "failed", failure: failureOf(error) });
    await server?.close().catch(() => {});
    // The primary ends this process when it has heard.
    await closed;
    return;
  }
  await closed;
  await server.close();
}

function failureOf(error: unknown): Failure {
  const { message, code, remedy, port } = error as Partial<Failure>;
  return {
    message: message ?? String(error),
    code: typeof code === "string" ? code : null,
    remedy: typeof remedy === "string" ? remedy : null,
    port: typeof port === "number" ? port : null,
  };
}
