/** Why a room name is refused before it is sent. */
export type RoomNameFault = "empty" | "namespace" | "characters" | "long";

const NAME = /^[\p{L}\p{M}\p{N}\-_.~@+=,!'/]+$/u;

/** Reads what was typed as the name of a chat room, by the rules the server has (ENV-4). Spaces become hyphens. */
export function readRoomName(typed: string): { readonly roomId: string } | { readonly fault: RoomNameFault } {
  const name = typed
    .trim()
    .replace(/^#/, "")
    .replace(/^chat:/, "")
    .replace(/\s+/g, "-")
    .normalize("NFC");
  if (name === "") return { fault: "empty" };
  if (name.includes(":")) return { fault: "namespace" };
  if (!NAME.test(name) || name.split("/").some((segment) => segment === "." || segment === "..")) {
    return { fault: "characters" };
  }
  if (new TextEncoder().encode(`chat:${name}`).length > 255) return { fault: "long" };
  return { roomId: `chat:${name}` };
}
