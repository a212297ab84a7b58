import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RawClient, startServer, until } from "../../harness.ts";

const roomId = "chat:room";
const WORDS = "unspeakable";

describe("deletion on the embedded log", () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "yamabiko-delete-"));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  it("CHAT-2 leaves the words neither in the log, nor for who resumes, nor in the file", async () => {
    const server = await startServer({ log: `sqlite:${join(directory, "log.db")}` });
    try {
      const ann = await RawClient.open(server, "ann");
      await ann.join(roomId);
      const { seq } = await ann.ask("send_message", { roomId, content: `${WORDS} 0` });
      for (let edit = 1; edit <= 4; edit += 1) {
        expect(await ann.ask("edit_message", { roomId, seq, content: `${WORDS} ${edit}` })).toMatchObject({
          success: true,
        });
      }
      await until(() => ann.events(roomId).length === 5);
      expect(JSON.stringify(ann.events(roomId))).toContain(`${WORDS} 4`);
      await ann.ask("delete_message", { roomId, seq });

      const history = await server.room(roomId).history(0, 100);
      expect(history.map(({ type }) => type)).toEqual([
        "new_message",
        ...Array(4).fill("message_edited"),
        "message_deleted",
      ]);
      expect(JSON.stringify(history)).not.toContain(WORDS);

      const bob = await RawClient.open(server, "bob");
      await bob.join(roomId, { after: 0 });
      await until(() => bob.events(roomId).length === 6);
      expect(JSON.stringify(bob.received)).not.toContain(WORDS);
    } finally {
      await server.close();
    }
    const files = await readdir(directory);
    const bytes = Buffer.concat(await Promise.all(files.map((file) => readFile(join(directory, file)))));
    expect(bytes.includes(roomId)).toBe(true);
    expect(bytes.includes(WORDS)).toBe(false);
  });
});
