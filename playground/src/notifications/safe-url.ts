/** Where a click on a notification leads. */
export type Destination =
  | { readonly kind: "page"; readonly hash: string }
  | { readonly kind: "site"; readonly href: string };

/**
 * Where a notification's `url` leads: a page of the playground, or another site. Null for what is neither, whatever the server
 * let through.
 */
export function destinationOf(url: string | null): Destination | null {
  if (url === null) return null;
  // The playground has one path; what another application would have below it is a page here that does not exist.
  if (/^\/(?![/\\])/.test(url)) return { kind: "page", hash: `#${url.replace(/^\/#/, "")}` };
  return /^https?:\/\/[^/\\]/i.test(url) && URL.canParse(url) ? { kind: "site", href: url } : null;
}
