import type { IncomingMessage } from "node:http";
import { jsonCodec } from "../codec/json.ts";
import { type Limits, YamabikoError } from "../protocol/index.ts";

/**
 * Reads the body of a request.
 * @throws {YamabikoError} `payload_too_large` beyond `maxBytes`; `invalid_message` when it breaks off.
 */
export async function readBytes(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request) {
      bytes += (chunk as Buffer).length;
      if (bytes > maxBytes) throw new YamabikoError("payload_too_large", `A body may have ${maxBytes} bytes.`);
      chunks.push(chunk as Buffer);
    }
  } catch (error) {
    if (error instanceof YamabikoError) throw error;
    throw new YamabikoError("invalid_message", "The body broke off.", { cause: error });
  }
  return Buffer.concat(chunks);
}

/**
 * Reads a JSON body no larger than one message.
 * @throws {YamabikoError} `payload_too_large`, `invalid_message`.
 */
export async function readJson(request: IncomingMessage, limits: Limits): Promise<unknown> {
  return jsonCodec.decode(await readBytes(request, limits.messageBytes), limits);
}
