// A live news feed out of an RSS feed: node news.mjs https://example.com/rss.xml [feed:news] [seconds]
import { createHash } from "node:crypto";
import { publish } from "../publish.mjs";

const [source, roomId = "feed:news", seconds = "60"] = process.argv.slice(2);
const seen = new Set();

for (;;) {
  try {
    const rss = await (await fetch(source)).text();
    // RSS has the newest first; a room has it last.
    const items = [...rss.matchAll(/<item[ >]([\s\S]*?)<\/item>/g)].map(([, item]) => readItem(item)).reverse();
    const fresh = items.filter(({ messageId }) => !seen.has(messageId));
    if (fresh.length > 0) await publish(roomId, fresh);
    for (const { messageId } of fresh) seen.add(messageId);
  } catch (error) {
    console.error(`${source}: ${error.message}`);
  }
  await new Promise((resolve) => setTimeout(resolve, Number(seconds) * 1000));
}

function readItem(item) {
  const text = (name) =>
    (new RegExp(`<${name}[^>]*>([\\s\\S]*?)</${name}>`).exec(item)?.[1] ?? "")
      .replace(/<!\[CDATA\[([\s\S]*?)\]\]>/g, "$1")
      .replace(/&lt;/g, "<")
      .replace(/&gt;/g, ">")
      .replace(/&quot;/g, '"')
      .replace(/&amp;/g, "&")
      .trim();
  const [title, link, published] = [text("title"), text("link"), text("pubDate")];
  // What an item is called by its publisher names it here too: after a restart it is the same event.
  const messageId = createHash("sha256")
    .update(text("guid") || link || title)
    .digest("hex");
  return { type: "news", payload: { title, link, published }, messageId };
}
