const buffer = Buffer.alloc(32 * 1024);

/** The next lines of a file, at most 1,000, and where the one after them begins. */
export async function readLines(file, from, isOver) {
  const { bytesRead = 0 } = (await file?.read(buffer, 0, buffer.length, from)) ?? {};
  const chunk = buffer.subarray(0, bytesRead);
  const lines = [];
  let start = 0;
  while (start < bytesRead && lines.length < 1_000) {
    let end = chunk.indexOf("\n", start);
    // A line without an end waits for it, unless it fills the buffer or nothing more will come.
    if (end === -1 && (isOver || (start === 0 && bytesRead === buffer.length))) end = bytesRead;
    if (end === -1) break;
    lines.push({ text: chunk.toString("utf8", start, end), from: from + start });
    start = Math.min(end + 1, bytesRead);
  }
  return { lines, bytes: from + start };
}
