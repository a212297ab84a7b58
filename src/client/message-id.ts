/** A fresh random `messageId` (128 bits). Pages without HTTPS have no `crypto.randomUUID`, so there it is four numbers. */
export function newMessageId(): string {
  return crypto.randomUUID?.() ?? crypto.getRandomValues(new Uint32Array(4)).join("-");
}
