import type { Identity } from "./identity.ts";

/**
 * The claims of whoever came by the admin listener with its credential. No token can have them: they are known by the object
 * itself, and not by what is in it.
 */
const OPERATOR_CLAIMS: Readonly<Record<string, unknown>> = Object.freeze({});

/** The namespace of the rooms that only an operator reads. */
export const OPERATOR_NAMESPACE = "admin";

/** The identity of an operator. */
export function operatorIdentity(id: string, expiresAt: number): Identity {
  return { id, name: "Operator", expiresAt, claims: OPERATOR_CLAIMS };
}

/** Whether these are the claims of an operator. */
export function isOperator({ claims }: { readonly claims: Readonly<Record<string, unknown>> }): boolean {
  return claims === OPERATOR_CLAIMS;
}

/** Whether an operator has a right in rooms of a namespace: its own, and to look at dashboards. Whom else it looks at it does not join. */
export function mayOperate(namespace: string, right: "read" | "write" | "admin"): boolean {
  return namespace === OPERATOR_NAMESPACE || (namespace === "dashboard" && right === "read");
}
