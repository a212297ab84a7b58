import { createHash } from "node:crypto";

/** A Lua script as Redis knows it: by its hash, once it has seen it. */
export interface RedisScript {
  readonly source: string;
  readonly sha: string;
}

/** Makes a script of its source. */
export function redisScript(source: string): RedisScript {
  return { source, sha: createHash("sha1").update(source).digest("hex") };
}
