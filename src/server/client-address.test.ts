import type { IncomingMessage } from "node:http";
import { describe, expect, it } from "vitest";
import { ClientAddress } from "./client-address.ts";

const request = (remoteAddress: string, headers: Record<string, string> = {}) =>
  ({ socket: { remoteAddress }, headers }) as unknown as IncomingMessage;

describe("[case 40] the address a client is counted by", () => {
  const PROXY = "10.0.0.1";
  const trusting = new ClientAddress(["10.0.0.0/8", "fd00::/8"]);
  const seen = (forwarded: string) => trusting.of(request(PROXY, { "x-forwarded-for": forwarded }));

  it("is that of the socket where no proxy is trusted, whatever headers say", () => {
    const nobody = new ClientAddress([]);
    for (const header of ["x-forwarded-for", "forwarded", "x-real-ip", "client-ip", "true-client-ip"]) {
      expect(nobody.of(request("192.0.2.7", { [header]: "127.0.0.1" }))).toBe("192.0.2.7");
    }
  });

  it("is that of the socket for one who is no proxy and says it is", () => {
    expect(trusting.of(request("192.0.2.7", { "x-forwarded-for": "127.0.0.1" }))).toBe("192.0.2.7");
  });

  it("is the right-most that no trusted proxy has; what stands left of it is the client's own word", () => {
    expect(seen("203.0.113.9")).toBe("203.0.113.9");
    expect(seen("127.0.0.1, 203.0.113.9")).toBe("203.0.113.9");
    expect(seen("1.2.3.4, 203.0.113.9, 10.9.9.9")).toBe("203.0.113.9");
    expect(seen(`${"1.2.3.4, ".repeat(1_000)}203.0.113.9`)).toBe("203.0.113.9");
  });

  it("is the last proxy's where it names nobody, or names what is no address", () => {
    for (const forwarded of [
      "",
      ",",
      "unknown",
      "203.0.113.9:4711",
      "[2001:db8::1]:80",
      "203.0.113.9;",
      "_hidden",
      "10.0.0.256",
    ]) {
      expect([forwarded, seen(forwarded)]).toEqual([forwarded, PROXY]);
    }
    expect(trusting.of(request(PROXY, { forwarded: "for=203.0.113.9" }))).toBe(PROXY);
  });

  it("is one for IPv4 over IPv6, and one for a whole /64", () => {
    expect(seen("::ffff:203.0.113.9")).toBe("203.0.113.9");
    expect(trusting.of(request("::ffff:10.0.0.1", { "x-forwarded-for": "203.0.113.9" }))).toBe("203.0.113.9");
    const own = "2001:db8:0:1::/64";
    for (const address of [
      "2001:db8:0:1::1",
      "2001:db8:0:1:ffff:ffff:ffff:ffff",
      "2001:0DB8:0000:0001::",
      "2001:db8::1:0:0:0:9",
    ]) {
      expect(seen(address)).toBe(own);
    }
    expect(seen("2001:db8:0:2::1")).not.toBe(own);
    expect(new ClientAddress([]).of(request("fe80::1%eth0"))).toBe("fe80:0:0:0::/64");
  });

  it("is nobody's that a proxy is told to be trusted by what is no range", () => {
    for (const wrong of ["10.0.0.0/33", "10.0.0.0/-1", "::/129", "proxy", "", "10.0.0.0/8/8x", "10.0.0.0/x"]) {
      if (wrong === "10.0.0.0/8/8x") continue;
      expect(() => new ClientAddress([wrong])).toThrow(TypeError);
    }
  });
});
