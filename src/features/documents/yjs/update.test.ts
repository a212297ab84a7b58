import fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as Y from "yjs";
import { Coverage } from "./coverage.ts";
import { readStateVector, readUpdate } from "./update.ts";

/** One document with everything Yjs can hold, and its single updates. */
function richDocument(): { state: Uint8Array; updates: Uint8Array[]; doc: Y.Doc } {
  const doc = new Y.Doc();
  const updates: Uint8Array[] = [];
  doc.on("update", (update: Uint8Array) => updates.push(update));
  const text = doc.getText("text");
  text.insert(0, "山彦 👨‍👩‍👧‍👦 é");
  text.insert(2, "bold", { bold: true });
  text.insertEmbed(1, { image: { src: "a.png", sizes: [1, 2] } });
  text.delete(3, 4);
  const map = doc.getMap("map");
  map.set("numbers", [1, -2, 2.5, 1e300, 2 ** 40, 10n]);
  map.set("others", { no: null, yes: true, not: false, nothing: undefined, bytes: new Uint8Array([1, 2, 3]) });
  map.set("nested", new Y.Map([["array", new Y.Array()]]));
  map.delete("numbers");
  const xml = doc.getXmlFragment("xml");
  const element = new Y.XmlElement("p");
  element.insert(0, [new Y.XmlText("inside"), new Y.XmlHook("hook") as unknown as Y.XmlElement]);
  xml.insert(0, [element]);
  doc.getArray("documents").push([new Y.Doc({ guid: "inner" })]);
  return { state: Y.encodeStateAsUpdate(doc), updates, doc };
}

describe("reading an update", () => {
  it("accepts whatever Yjs makes, and finds the clocks that Yjs finds", () => {
    const { state, updates, doc } = richDocument();
    const coverage = new Coverage();
    for (const update of updates) coverage.add(readUpdate(update));
    expect(coverage.toStateVector()).toEqual(Y.encodeStateVector(doc));
    expect(coverage.covers(readUpdate(state))).toBe(true);
  });

  it("accepts a merged update with holes, and counts no clock behind a hole", () => {
    const { updates, doc } = richDocument();
    const holey = Y.mergeUpdates(updates.filter((_, index) => index !== 1));
    const coverage = new Coverage();
    coverage.add(readUpdate(holey));
    expect(coverage.toStateVector()).toEqual(Y.encodeStateVectorFromUpdate(holey));
    coverage.add(readUpdate(updates[1]!));
    expect(coverage.toStateVector()).toEqual(Y.encodeStateVector(doc));
  });

  it("refuses every prefix of an update, and an update with something behind it", () => {
    const { state } = richDocument();
    for (let length = 0; length < state.length; length++) {
      expect(() => readUpdate(state.subarray(0, length)), String(length)).toThrow(/cannot be decoded/);
    }
    expect(() => readUpdate(Uint8Array.of(...state, 0))).toThrow(/cannot be decoded/);
  });

  it("accepts nothing that Yjs cannot decode", () => {
    const { state } = richDocument();
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(state.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        (edits) => {
          const broken = Uint8Array.from(state);
          for (const [index, value] of edits) broken[index] = value;
          let contents: ReturnType<typeof readUpdate>;
          try {
            contents = readUpdate(broken);
          } catch (error) {
            expect(error).toMatchObject({ code: "invalid_message" });
            return;
          }
          const { structs } = Y.decodeUpdate(broken);
          const length = structs.reduce((sum, struct) => sum + (struct instanceof Y.Skip ? 0 : struct.length), 0);
          expect(contents.inserts.reduce((sum, range) => sum + range.length, 0)).toBe(length);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it("refuses a value that is too deep, before it runs out of stack", () => {
    const doc = new Y.Doc();
    let deep: unknown = 1;
    for (let depth = 0; depth < 200; depth++) deep = [deep];
    doc.getMap("map").set("deep", deep);
    expect(() => readUpdate(Y.encodeStateAsUpdate(doc))).toThrow(/cannot be decoded/);
    const text = "[".repeat(100_000) + "]".repeat(100_000);
    // An embed whose JSON is deeper than any stack: client 1, clock 0, an embed in the text "t".
    const bytes = [1, 1, 1, 0, 5, 1, 1, 116, ...varUint(text.length), ...Buffer.from(text), 0];
    expect(() => readUpdate(Uint8Array.from(bytes))).toThrow(/cannot be decoded/);
  });

  it("refuses numbers that claim more than there is at once", () => {
    const huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f];
    for (const bytes of [
      [...huge],
      [1, ...huge, 1, 0, 0, 1],
      [0, 1, 1, ...huge, 1, 1],
      [1, 1, 1, 0, 8, 1, 1, 116, ...huge],
    ]) {
      expect(() => readUpdate(Uint8Array.from(bytes))).toThrow(/cannot be decoded/);
    }
  });
});

describe("reading a state vector", () => {
  it("finds what Yjs wrote, and refuses anything else", () => {
    const { doc } = richDocument();
    const vector = Y.encodeStateVector(doc);
    expect(readStateVector(vector)).toEqual(Y.decodeStateVector(vector));
    expect(() => readStateVector(vector.subarray(0, -1))).toThrow(/cannot be decoded/);
    expect(() => readStateVector(Uint8Array.of(...vector, 1))).toThrow(/cannot be decoded/);
  });
});

describe("coverage", () => {
  it("is the set of what was added, in whatever order it came", () => {
    const range = fc.record({ client: fc.nat(1), clock: fc.nat(40), length: fc.integer({ min: 1, max: 10 }) });
    fc.assert(
      fc.property(fc.array(range, { maxLength: 30 }), range, (added, asked) => {
        const coverage = new Coverage();
        const model = new Set<string>();
        for (const each of added) {
          coverage.add({ inserts: [each], deletes: [each] });
          for (let clock = each.clock; clock < each.clock + each.length; clock++) model.add(`${each.client} ${clock}`);
        }
        let isThere = true;
        for (let clock = asked.clock; clock < asked.clock + asked.length; clock++) {
          isThere &&= model.has(`${asked.client} ${clock}`);
        }
        expect(coverage.covers({ inserts: [asked], deletes: [] })).toBe(isThere);
        expect(coverage.covers({ inserts: [], deletes: [asked] })).toBe(isThere);
        const vector = readStateVector(coverage.toStateVector());
        for (const client of [0, 1]) {
          let clock = 0;
          while (model.has(`${client} ${clock}`)) clock++;
          expect(vector.get(client) ?? 0).toBe(clock);
        }
      }),
    );
  });
});

function varUint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 127) {
    bytes.push(0x80 | (rest % 128));
    rest = Math.floor(rest / 128);
  }
  return [...bytes, rest];
}
