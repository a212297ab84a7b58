import { MessageChannel, type MessagePort } from "node:worker_threads";

/** One end of a way between two processes, as this one process can have it. */
export class TestPort {
  readonly #port: MessagePort;
  isGone = false;

  constructor(port: MessagePort) {
    this.#port = port;
  }

  send(message: unknown): void {
    if (!this.isGone) this.#port.postMessage(message);
  }

  listen(onMessage: (message: unknown) => void, onGone: () => void): void {
    this.#port.on("message", onMessage);
    this.#port.on("close", () => {
      this.isGone = true;
      onGone();
    });
    this.#port.unref();
  }

  close(): void {
    this.#port.close();
  }
}

/** Two ends of a way that keeps order, loses nothing, and copies. */
export function createPortPair(): [TestPort, TestPort] {
  const { port1, port2 } = new MessageChannel();
  return [new TestPort(port1), new TestPort(port2)];
}
