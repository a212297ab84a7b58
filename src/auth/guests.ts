import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { GuestTokens } from "./identity.ts";

const FORM = /^guest\.([A-Za-z0-9_-]{16})\.([A-Za-z0-9_-]{43})$/;

/**
 * Makes identities for clients without a token (AUTH-5). A guest's own token makes it the same user after a reconnect, so that
 * what it sends again is recognised (ACK-3). It names nobody else and gives no right a new guest does not have; it ends with
 * the secret.
 *
 * @param secret default: a new one, so that guests are forgotten when the process ends.
 */
export function createGuestTokens(secret: string = randomBytes(32).toString("base64url")): GuestTokens {
  const key = createHmac("sha256", secret).update("yamabiko guest").digest();
  const sign = (id: string): Buffer => createHmac("sha256", key).update(id).digest();
  const guest = (id: string) => ({ id: `guest-${id}`, token: `guest.${id}.${sign(id).toString("base64url")}` });
  return {
    issue() {
      return guest(randomBytes(12).toString("base64url"));
    },
    named(name) {
      return guest(createHmac("sha256", key).update(`name ${name}`).digest("base64url").slice(0, 16));
    },
    verify(token) {
      const [, id, mac] = FORM.exec(token) ?? [];
      if (id === undefined || mac === undefined) return null;
      const given = Buffer.from(mac, "base64url");
      const right = sign(id);
      return given.length === right.length && timingSafeEqual(given, right) ? `guest-${id}` : null;
    },
  };
}
