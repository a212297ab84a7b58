import { YamabikoError } from "../../../protocol/index.ts";

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** Bytes as text, for what travels and is kept as JSON. */
export function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

/**
 * The bytes of a text, in memory of their own.
 * @throws {YamabikoError} `invalid_message` for what is no base64.
 */
export function fromBase64(text: string): Uint8Array {
  if (text.length % 4 !== 0 || !BASE64.test(text)) throw new YamabikoError("invalid_message", "This is no base64.");
  return new Uint8Array(Buffer.from(text, "base64"));
}
