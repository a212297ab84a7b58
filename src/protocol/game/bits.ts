/** Writes numbers of 1 to 32 bits, the lowest bit first, into a buffer that grows. */
export class BitWriter {
  #bytes: Uint8Array;
  #length = 0;
  #pending = 0;
  #pendingBits = 0;

  constructor(capacityBytes = 1_024) {
    this.#bytes = new Uint8Array(capacityBytes);
  }

  /** Forgets everything written. */
  reset(): void {
    this.#length = 0;
    this.#pending = 0;
    this.#pendingBits = 0;
  }

  /** @param value a whole number from 0 to 2^bits - 1. */
  write(value: number, bits: number): void {
    if (bits > 16) {
      this.write(value & 0xffff, 16);
      this.write(value >>> 16, bits - 16);
      return;
    }
    this.#pending |= value << this.#pendingBits;
    this.#pendingBits += bits;
    while (this.#pendingBits >= 8) this.#push();
  }

  /** A number of any size up to 2^53 - 1, in groups of seven bits; small ones are short. Only at a byte's border. */
  writeVarint(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.write((rest % 0x80) | 0x80, 8);
      rest = Math.floor(rest / 0x80);
    }
    this.write(rest, 8);
  }

  /** What was written, as a copy; the last byte is filled with zeros. */
  finish(): Uint8Array<ArrayBuffer> {
    if (this.#pendingBits > 0) {
      this.#pendingBits = 8;
      this.#push();
      this.#pendingBits = 0;
    }
    return this.#bytes.slice(0, this.#length) as Uint8Array<ArrayBuffer>;
  }

  #push(): void {
    if (this.#length === this.#bytes.length) {
      const larger = new Uint8Array(this.#bytes.length * 2);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes[this.#length++] = this.#pending & 0xff;
    this.#pending >>>= 8;
    this.#pendingBits -= 8;
  }
}

/** Reads what a `BitWriter` wrote. */
export class BitReader {
  readonly #bytes: Uint8Array;
  #at: number;
  #pending = 0;
  #pendingBits = 0;

  constructor(bytes: Uint8Array, at = 0) {
    this.#bytes = bytes;
    this.#at = at;
  }

  /** @throws {RangeError} when there is less left. */
  read(bits: number): number {
    if (bits > 16) return this.read(16) + this.read(bits - 16) * 0x1_0000;
    while (this.#pendingBits < bits) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw new RangeError("The frame is shorter than it says.");
      this.#pending |= byte << this.#pendingBits;
      this.#pendingBits += 8;
    }
    const value = this.#pending & ((1 << bits) - 1);
    this.#pending >>>= bits;
    this.#pendingBits -= bits;
    return value;
  }

  /** @throws {RangeError} when there is less left, or it is no number. */
  readVarint(): number {
    let value = 0;
    for (let scale = 1; scale <= 2 ** 49; scale *= 0x80) {
      const byte = this.read(8);
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    throw new RangeError("The number has no end.");
  }
}
