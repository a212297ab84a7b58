import { describe, expect, it } from "vitest";
import { createFakeClock } from "../testing/fake-clock.ts";
import type { Identity } from "./identity.ts";
import { createTickets } from "./tickets.ts";

const identityOf = (id: string, expiresAt = Number.MAX_SAFE_INTEGER): Identity => ({
  id,
  name: id,
  expiresAt,
  claims: { sub: id },
});

describe("tickets", () => {
  it("AUTH-1 are good once", () => {
    const tickets = createTickets({ limit: 10 });
    const { ticket, expiresInMs } = tickets.issue(identityOf("ada"));
    expect(expiresInMs).toBe(30_000);
    expect(Buffer.from(ticket, "base64url")).toHaveLength(32);
    expect(tickets.redeem(ticket)?.id).toBe("ada");
    expect(tickets.redeem(ticket)).toBeNull();
  });

  it("[case 56] end after their time, also when the wall clock is moved back", async () => {
    const clock = createFakeClock();
    const tickets = createTickets({ limit: 10, clock });
    const { ticket } = tickets.issue(identityOf("ada"));
    clock.shiftWallClock(-3_600_000);
    await clock.advance(30_000);
    expect(tickets.redeem(ticket)).toBeNull();
    expect(tickets.count).toBe(0);
  });

  it("end with the token they were made from", async () => {
    const clock = createFakeClock();
    const tickets = createTickets({ limit: 10, clock });
    const { ticket } = tickets.issue(identityOf("ada", clock.now() + 1_000));
    await clock.advance(1_000);
    expect(tickets.redeem(ticket)).toBeNull();
  });

  it("are bounded for all and for each user, and the room comes back", async () => {
    const clock = createFakeClock();
    const tickets = createTickets({ limit: 5, maxPerUser: 2, clock });
    const first = tickets.issue(identityOf("ada"));
    tickets.issue(identityOf("ada"));
    expect(() => tickets.issue(identityOf("ada"))).toThrow(expect.objectContaining({ code: "rate_limited" }));
    tickets.redeem(first.ticket);
    tickets.issue(identityOf("ada"));
    for (const id of ["b", "c", "d"]) tickets.issue(identityOf(id));
    expect(() => tickets.issue(identityOf("e"))).toThrow(expect.objectContaining({ code: "unavailable" }));
    expect(tickets.count).toBe(5);
    await clock.advance(30_000);
    expect(tickets.count).toBe(0);
    tickets.issue(identityOf("ada"));
    tickets.issue(identityOf("ada"));
    expect(tickets.count).toBe(2);
  });

  it.each([null, undefined, 5, "", "x", "A".repeat(43), "A".repeat(1_000_000), "__proto__"])("refuse %#", (value) => {
    expect(createTickets({ limit: 1 }).redeem(value)).toBeNull();
  });
});
