import type { IncomingMessage } from "node:http";
import { BlockList, isIP, type Socket } from "node:net";

/** Finds out the address a request comes from. */
export class ClientAddress {
  readonly #trusted = new BlockList();
  readonly #hasTrusted: boolean;

  /**
   * @param proxies addresses or CIDR ranges whose `X-Forwarded-For` is believed.
   * @throws {TypeError} when one of them is neither.
   */
  constructor(proxies: readonly string[]) {
    this.#hasTrusted = proxies.length > 0;
    for (const proxy of proxies) {
      const [address = "", bits] = proxy.split("/");
      const version = isIP(address);
      const prefix = bits === undefined ? undefined : Number(bits);
      if (
        version === 0 ||
        (prefix !== undefined && !(Number.isInteger(prefix) && prefix >= 0 && prefix <= (version === 4 ? 32 : 128)))
      ) {
        throw new TypeError(`"${proxy}" is not an address or a CIDR range.`);
      }
      const family = version === 4 ? "ipv4" : "ipv6";
      if (prefix === undefined) this.#trusted.addAddress(address, family);
      else this.#trusted.addSubnet(address, prefix, family);
    }
  }

  /**
   * The client's address, for limits: an IPv4 address, or the /64 of an IPv6 one. `X-Forwarded-For` is read from the right,
   * past proxies that are trusted, and believed only then.
   */
  of(request: IncomingMessage): string {
    let address = plain(request.socket.remoteAddress ?? "");
    if (this.#hasTrusted && this.#isTrusted(address)) {
      const forwarded = String(request.headers["x-forwarded-for"] ?? "").split(",");
      for (let index = forwarded.length - 1; index >= 0; index--) {
        const hop = plain(forwarded[index]!.trim());
        if (isIP(hop) === 0) break;
        address = hop;
        if (!this.#isTrusted(hop)) break;
      }
    }
    return limitKey(address);
  }

  /** The address of a connection that has asked for nothing yet; null for a trusted proxy, who connects for many. */
  ofSocket(socket: Socket): string | null {
    const address = plain(socket.remoteAddress ?? "");
    return this.#hasTrusted && this.#isTrusted(address) ? null : limitKey(address);
  }

  #isTrusted(address: string): boolean {
    const version = isIP(address);
    return version !== 0 && this.#trusted.check(address, version === 4 ? "ipv4" : "ipv6");
  }
}

/** An IPv4 address that came over IPv6 (`::ffff:192.0.2.1`) is an IPv4 address. */
function plain(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  return mapped === null ? address : mapped[1]!;
}

/** One customer has a whole /64 of IPv6 addresses. */
function limitKey(address: string): string {
  if (isIP(address) !== 6) return address;
  const [head = "", tail = ""] = address.split("%")[0]!.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === "" ? [] : tail.split(":");
  const zeros = address.includes("::") ? Array<string>(Math.max(0, 8 - left.length - right.length)).fill("0") : [];
  const groups = [...left, ...zeros, ...right].slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16));
  return `${groups.join(":")}::/64`;
}
