import { YamabikoError } from "../protocol/index.ts";
import type { Namespace } from "./namespace.ts";

/** The refusal of a namespace this server does not have. */
export function unknownNamespace(name: string, namespaces: ReadonlyMap<string, Namespace>): YamabikoError {
  return new YamabikoError("unknown_type", `There is no namespace "${name}".`, {
    remedy: `This server has: ${Array.from(namespaces.keys()).join(", ")}.`,
  });
}

/** The refusal of a type a namespace does not take. */
export function unknownMessage(type: string, { name, messages }: Namespace): YamabikoError {
  const types = Object.keys(messages);
  return new YamabikoError("unknown_type", `"${type}" is not a message of the namespace "${name}".`, {
    remedy: types.length === 0 ? `Clients only read rooms of "${name}".` : `It takes: ${types.join(", ")}.`,
  });
}
