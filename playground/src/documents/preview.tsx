import MarkdownIt from "markdown-it";
import { useDeferredValue, useMemo } from "react";

// Nothing of what people write is HTML, and no link runs anything.
const reader = new MarkdownIt({ html: false, linkify: true, breaks: true });
const openLink =
  reader.renderer.rules.link_open ?? ((tokens, index, options, _env, self) => self.renderToken(tokens, index, options));
reader.renderer.rules.link_open = (tokens, index, options, env, self) => {
  tokens[index]!.attrSet("target", "_blank");
  tokens[index]!.attrSet("rel", "noopener noreferrer nofollow");
  return openLink(tokens, index, options, env, self);
};
// A picture would be asked for from wherever its address says, by everybody who looks.
reader.disable("image");

/** A text as Markdown. */
export function Preview({ text, empty }: { text: string; empty: string }) {
  const shown = useDeferredValue(text);
  const html = useMemo(() => reader.render(shown), [shown]);
  if (shown.trim() === "") return <p className="muted">{empty}</p>;
  // biome-ignore lint/security/noDangerouslySetInnerHtml: markdown-it escapes everything that people wrote (html: false).
  return <div className="markdown" dangerouslySetInnerHTML={{ __html: html }} />;
}
