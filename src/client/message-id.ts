/** A fresh random `messageId` (128 bits). Pages without HTTPS have no `crypto.randomUUID`, so there it is hex. */
export function newMessageId(): string {
  return (
    crypto.randomUUID?.() ??
    Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("")
  );
}
