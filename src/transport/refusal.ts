import { type Envelope, type WireError, YamabikoError } from "../protocol/index.ts";

/** The refusal that a message to a client tells of; null for any other message. */
export function refusalIn({ type, payload }: Envelope): YamabikoError | null {
  const said = payload as { success?: boolean; error?: Partial<WireError> } & Partial<WireError>;
  if (type === "error") return YamabikoError.fromWire(said);
  return type === "ack" && said.success === false ? YamabikoError.fromWire(said.error) : null;
}
