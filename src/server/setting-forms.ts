import { isIP } from "node:net";
import { z } from "zod";
import { parseRoomId } from "../protocol/index.ts";

/** A whole number, or its digits. */
export function whole(min: number, max = Number.MAX_SAFE_INTEGER) {
  const digits = z
    .string()
    .regex(/^\d{1,16}$/)
    .transform(Number);
  return z.union([z.number(), digits]).pipe(z.number().int().min(min).max(max));
}

/** A yes or no, or a word for it. */
export function flag() {
  const words = z
    .string()
    .toLowerCase()
    .pipe(z.enum(["true", "false", "yes", "no", "on", "off", "1", "0"]));
  return z.union([z.boolean(), words.transform((word) => ["true", "yes", "on", "1"].includes(word))]);
}

/** A list, or a text with commas. */
export function list<T>(item: z.ZodType<T, string>) {
  const split = z.string().transform((text) =>
    text
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== ""),
  );
  return z.union([z.array(z.string()), split]).pipe(z.array(item));
}

/** A value, or null where nothing was said. */
export function nullable<T, I>(schema: z.ZodType<T, I>) {
  return z.union([z.null(), schema]);
}

/** What a text says as JSON. */
export function jsonOf(text: string, context: z.RefinementCtx): unknown {
  try {
    return JSON.parse(text);
  } catch {
    context.addIssue({ code: "custom" });
    return z.NEVER;
  }
}

/** A room id in its canonical form. */
export function roomId(text: string, context: z.RefinementCtx): string {
  try {
    return parseRoomId(text).roomId;
  } catch {
    context.addIssue({ code: "custom" });
    return z.NEVER;
  }
}

/** Whether a text is an origin as browsers send it, `null` or `*`. */
export function isOrigin(text: string): boolean {
  if (text === "*" || text === "null") return true;
  return (
    !text.includes("*") &&
    URL.canParse(text) &&
    /^https?:$/.test(new URL(text).protocol) &&
    new URL(text).origin === text
  );
}

/** Whether a text is the address of something that can be posted to. */
export function isWebAddress(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}

/** Whether a text is an address or a CIDR. */
export function isNetwork(text: string): boolean {
  const [address = "", bits, ...rest] = text.split("/");
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128));
}
