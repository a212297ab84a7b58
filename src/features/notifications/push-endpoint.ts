import { BlockList, isIP } from "node:net";

/** Names that lead to the own machine or network, whoever answers for them. */
const PRIVATE_NAMES = /(^|\.)(localhost|local|localdomain|internal|intranet|private|corp|home|lan|home\.arpa)$/;

const blocked = new BlockList();
for (const [address, prefix] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 3],
] as const) {
  blocked.addSubnet(address, prefix, "ipv4");
}
// Of IPv6 only what is assigned to the public is public, less what is documentation or leads back into IPv4.
for (const [address, prefix] of [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20],
] as const) {
  blocked.addSubnet(address, prefix, "ipv6");
}
const publicV6 = new BlockList();
publicV6.addSubnet("2000::", 3, "ipv6");

/** Whether an IP address is one that anybody on the Internet can reach. */
export function isPublicAddress(address: string): boolean {
  const version = isIP(address);
  if (version === 4) return !blocked.check(address, "ipv4");
  return version === 6 && publicV6.check(address, "ipv6") && !blocked.check(address, "ipv6");
}

/**
 * Why a push endpoint is not accepted; null when it is. The server will send requests there because a client said so, so it
 * must be a push service on the Internet: https, the usual port, a name that is not of the own network. What the name
 * resolves to is checked by the sender when it connects.
 *
 * @param allowPrivate takes http, any port and any host: for tests.
 */
export function refusalOfEndpoint(endpoint: string, allowPrivate = false): string | null {
  if (!URL.canParse(endpoint)) return "is not a URL";
  const { protocol, hostname, port, username, password, hash } = new URL(endpoint);
  if (username !== "" || password !== "" || hash !== "") return "has parts that the endpoint of a push service has not";
  if (allowPrivate) return /^https?:$/.test(protocol) ? null : "is not an http(s) URL";
  if (protocol !== "https:") return "is not an https URL";
  if (port !== "") return "has a port";
  const name = hostname.toLowerCase().replace(/\.$/, "");
  if (isIP(name) !== 0 || name.startsWith("[") || !name.includes(".") || PRIVATE_NAMES.test(name)) {
    return "is not on a host of the Internet";
  }
  return null;
}
