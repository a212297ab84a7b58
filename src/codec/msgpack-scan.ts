import { type Limits, YamabikoError } from "../protocol/index.ts";

const MAX_SAFE_HIGH = 0x001fffff;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Walks one MessagePack value without building it: counts, depth, lengths against what is there, UTF-8, and only types
 * that JSON has. The decoder that follows cannot then be made to allocate more than the input is worth.
 * @throws {YamabikoError} `invalid_message`.
 */
export function scanMessagePack(bytes: Uint8Array, bounds: Pick<Limits, "depth" | "elements">): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  let elements = 0;

  const need = (count: number): number => {
    const start = at;
    at += count;
    if (at > bytes.length) fail("ends too early");
    return start;
  };
  const text = (length: number): string => {
    const start = need(length);
    try {
      return decoder.decode(bytes.subarray(start, start + length));
    } catch {
      return fail("has a string that is not valid UTF-8");
    }
  };
  const array = (count: number, depth: number): void => {
    enter(count, depth);
    for (let index = 0; index < count; index++) value(depth + 1);
  };
  const map = (count: number, depth: number): void => {
    enter(count * 2, depth);
    for (let index = 0; index < count; index++) {
      if (key() === "__proto__") fail("has the key __proto__");
      value(depth + 1);
    }
  };
  const enter = (count: number, depth: number): void => {
    if (depth >= bounds.depth) fail(`is nested deeper than ${bounds.depth}`);
    if (count > bytes.length - at) fail("claims more elements than it holds");
  };
  const key = (): string => {
    const byte = view.getUint8(need(1));
    if (byte >= 0xa0 && byte <= 0xbf) return text(byte & 0x1f);
    if (byte === 0xd9) return text(view.getUint8(need(1)));
    if (byte === 0xda) return text(view.getUint16(need(2)));
    if (byte === 0xdb) return text(view.getUint32(need(4)));
    return fail("has a key that is not a string");
  };
  const finite = (number: number): void => {
    if (!Number.isFinite(number)) fail("has a number that is not finite");
  };
  const value = (depth: number): void => {
    if (++elements > bounds.elements) fail(`has more than ${bounds.elements} elements`);
    const byte = view.getUint8(need(1));
    if (byte <= 0x7f || byte >= 0xe0) return;
    if (byte <= 0x8f) return map(byte & 0x0f, depth);
    if (byte <= 0x9f) return array(byte & 0x0f, depth);
    if (byte <= 0xbf) return void text(byte & 0x1f);
    switch (byte) {
      case 0xc0: // nil
      case 0xc2: // false
      case 0xc3: // true
        return;
      case 0xca:
        return finite(view.getFloat32(need(4)));
      case 0xcb:
        return finite(view.getFloat64(need(8)));
      case 0xcc:
      case 0xd0:
        return void need(1);
      case 0xcd:
      case 0xd1:
        return void need(2);
      case 0xce:
      case 0xd2:
        return void need(4);
      case 0xcf:
        if (view.getUint32(need(8)) > MAX_SAFE_HIGH) fail("has an integer beyond 2^53-1");
        return;
      case 0xd3: {
        const number = view.getBigInt64(need(8));
        if (number > BigInt(Number.MAX_SAFE_INTEGER) || number < BigInt(Number.MIN_SAFE_INTEGER)) {
          fail("has an integer beyond 2^53-1");
        }
        return;
      }
      case 0xd9:
        return void text(view.getUint8(need(1)));
      case 0xda:
        return void text(view.getUint16(need(2)));
      case 0xdb:
        return void text(view.getUint32(need(4)));
      case 0xdc:
        return array(view.getUint16(need(2)), depth);
      case 0xdd:
        return array(view.getUint32(need(4)), depth);
      case 0xde:
        return map(view.getUint16(need(2)), depth);
      case 0xdf:
        return map(view.getUint32(need(4)), depth);
      default:
        fail("has a type that JSON does not have (bin, ext or reserved)");
    }
  };

  value(0);
  if (at !== bytes.length) fail("has bytes after its end");
}

function fail(rule: string): never {
  throw new YamabikoError("invalid_message", `The message ${rule}.`);
}
