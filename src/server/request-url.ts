import type { IncomingMessage } from "node:http";
import { YamabikoError } from "../protocol/index.ts";

/**
 * The address a request asks for. A path stays a path, however it begins: `//evil` names no host.
 * @throws {YamabikoError} `invalid_message` when it is no address.
 */
export function requestUrl(request: IncomingMessage): URL {
  const target = request.url ?? "/";
  try {
    return target.startsWith("/") ? new URL(`http://localhost${target}`) : new URL(target, "http://localhost");
  } catch {
    throw new YamabikoError("invalid_message", "The address of the request is not one.");
  }
}
