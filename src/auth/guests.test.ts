import { describe, expect, it } from "vitest";
import { createGuestTokens } from "./guests.ts";

describe("guest tokens", () => {
  it("AUTH-5: a guest is the same user when it comes again, also after a restart with the same secret", () => {
    const { id, token } = createGuestTokens("s".repeat(32)).issue();
    expect(createGuestTokens("s".repeat(32)).verify(token)).toBe(id);
    expect(id).toMatch(/^guest-/);
  });

  it("AUTH-5: nobody can make a guest's token, or change one", () => {
    const guests = createGuestTokens("s".repeat(32));
    const { token } = guests.issue();
    expect(createGuestTokens("t".repeat(32)).verify(token)).toBeNull();
    for (let at = 0; at < token.length - 1; at++) {
      const changed = token.slice(0, at) + (token[at] === "A" ? "B" : "A") + token.slice(at + 1);
      expect(guests.verify(changed)).toBeNull();
    }
    for (const wrong of ["", "guest", "guest..", `guest.${"A".repeat(16)}.`, "eyJhbGciOiJub25lIn0.e30."]) {
      expect(guests.verify(wrong)).toBeNull();
    }
  });
});
