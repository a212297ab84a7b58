import { describe, expect, it } from "vitest";
import { isPublicAddress, refusalOfEndpoint } from "./push-endpoint.ts";

describe("a push endpoint", () => {
  it.each([
    "https://fcm.googleapis.com/fcm/send/abc:def",
    "https://updates.push.services.mozilla.com/wpush/v2/x",
    "https://web.push.apple.com/QAB?x=1",
    "https://push.example.com:443/x",
  ])("INB-15 %s is taken", (endpoint) => {
    expect(refusalOfEndpoint(endpoint)).toBeNull();
  });

  it("INB-15 tests may have them on their own machine, with credentials nobody", () => {
    expect(refusalOfEndpoint("http://127.0.0.1:8080/x", true)).toBeNull();
    expect(refusalOfEndpoint("http://a:b@127.0.0.1:8080/x", true)).not.toBeNull();
    expect(refusalOfEndpoint("ftp://127.0.0.1/x", true)).not.toBeNull();
  });
});

describe("an address", () => {
  it.each(["8.8.8.8", "172.15.255.255", "172.32.0.1", "2606:4700::1111", "2a00:1450:4001::200e"])(
    "INB-15 %s is public",
    (address) => {
      expect(isPublicAddress(address)).toBe(true);
    },
  );

  it.each([
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.53",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "198.19.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:8.8.8.8",
    "::ffff:127.0.0.1",
    "64:ff9b::7f00:1",
    "fc00::1",
    "fd12::1",
    "fe80::1",
    "fe80::1%eth0",
    "ff02::1",
    "2001:db8::1",
    "2001::1",
    "2002:7f00:1::",
    "localhost",
    "",
  ])("INB-15 %s is not", (address) => {
    expect(isPublicAddress(address)).toBe(false);
  });
});
