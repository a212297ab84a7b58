import { expect } from "vitest";
import { RawClient } from "../harness.ts";

/** A client that chats all the time while others are attacked, and must notice nothing of it. */
export class Witness {
  readonly #client: RawClient;
  /** How long each of its messages took to be acknowledged, ms. */
  readonly #latencies: number[] = [];
  #isStopped = false;
  #sent = 0;
  #acked = 0;
  readonly #chatting: Promise<void>;

  private constructor(client: RawClient) {
    this.#client = client;
    this.#chatting = this.#chat();
  }

  static async start(server: { readonly url: string; readonly wsUrl: string }): Promise<Witness> {
    const client = await RawClient.open(server, "witness");
    await client.join("witnessed");
    return new Witness(client);
  }

  /** Says something more, and checks that everything so far came exactly once and in order. */
  async check(): Promise<void> {
    const target = this.#acked + 3;
    while (this.#acked < target) await new Promise((resolve) => setTimeout(resolve, 2));
    expect(this.#client.closeCode).toBeNull();
    const seqs = this.#client.events().map(({ seq }) => seq);
    expect(seqs).toEqual(seqs.map((_, index) => index + 1));
    expect(seqs.length).toBeGreaterThanOrEqual(target);
    const errors = this.#client.received.filter(({ type }) => type === "error");
    expect(errors).toEqual([]);
  }

  /** The latency that 99 of 100 of its messages kept under, ms, since it was last asked. */
  takeP99(): number {
    const sorted = this.#latencies.splice(0).sort((one, other) => one - other);
    return sorted[Math.floor(sorted.length * 0.99)] ?? 0;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#chatting;
    this.#client.close();
  }

  async #chat(): Promise<void> {
    while (!this.#isStopped) {
      const index = ++this.#sent;
      const askedAt = performance.now();
      const ack = await this.#client.ask("send_message", { roomId: "witnessed", content: `m${index}` }, `w${index}`);
      this.#latencies.push(performance.now() - askedAt);
      if (ack.success && ack.seq === index) this.#acked++;
      else throw new Error(`the witness was refused: ${JSON.stringify(ack)}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}
