import { createContext, use } from "react";
import type { Client } from "yamabiko/client";

/** What every page of the console has: its connection, and the ways out. */
export interface Operator {
  readonly client: Client;
  /** Whether the connection is up. */
  readonly isConnected: boolean;
  /** The credential is not accepted any more. */
  expired(): void;
  /** Says something for a moment. */
  toast(text: string, isBad?: boolean): void;
}

export const OperatorContext = createContext<Operator | null>(null);

/** @throws {Error} outside of the console. */
export function useOperator(): Operator {
  const operator = use(OperatorContext);
  if (operator === null) throw new Error("there is no operator");
  return operator;
}
