import { type WireError, YamabikoError } from "../../../protocol/index.ts";

/** The refusal of changes made too long ago: their author reads on, rebases them, and sends them as another message. */
export class StaleChange extends YamabikoError {
  /** The newest version. */
  readonly version: number;

  constructor(version: number) {
    super("conflict", `The change was made too many versions before ${version}.`, {
      remedy: "Read the room up to its head, rebase the change, and send it under another messageId.",
    });
    this.version = version;
  }

  override toWire(): WireError & { details: { reason: "stale"; version: number } } {
    return { ...super.toWire(), details: { reason: "stale", version: this.version } };
  }
}
