/** A name for a set of marked keys that does not depend on the order in which they came: two sums of hashes. */
export class Fingerprint {
  #high = 0;
  #low = 0;

  get text(): string {
    return `${this.#high.toString(36)}-${this.#low.toString(36)}`;
  }

  add(family: string, key: string, mark: string): void {
    const text = `${family}\n${key}\n${mark}`;
    this.#high = (this.#high + hash(text, 0x811c9dc5)) >>> 0;
    this.#low = (this.#low + hash(text, 0x1b873593)) >>> 0;
  }

  remove(family: string, key: string, mark: string): void {
    const text = `${family}\n${key}\n${mark}`;
    this.#high = (this.#high - hash(text, 0x811c9dc5)) >>> 0;
    this.#low = (this.#low - hash(text, 0x1b873593)) >>> 0;
  }
}

/** FNV-1a over UTF-16, stirred at the end so that sums of it are as good as it is. */
function hash(text: string, seed: number): number {
  let mixed = seed;
  for (let index = 0; index < text.length; index++) mixed = Math.imul(mixed ^ text.charCodeAt(index), 0x01000193);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
