/** A setting that cannot be used: what is wrong and where it was said, and what to do about it. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly remedy: string;

  constructor(message: string, remedy: string) {
    super(message);
    this.remedy = remedy;
  }
}
