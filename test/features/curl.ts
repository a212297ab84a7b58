import { spawn, spawnSync } from "node:child_process";

/** The `curl` lines of a page, as words, with its server replaced by `url`. */
export function curlLines(page: string, url: string): string[][] {
  const lines = [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].flatMap(([, block = ""]) =>
    block.replaceAll("\\\n", " ").split("\n"),
  );
  return lines
    .filter((line) => line.startsWith("curl "))
    .map((line) => shellWords(line.replaceAll("http://localhost:8080", url)).slice(1));
}

/** The words of a line of the shell, without its variables and escapes. */
function shellWords(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(
    ([, single, double, plain]) => single ?? double ?? plain!,
  );
}

/** A request under way. */
export interface Transfer {
  /** The whole body, once it has ended. */
  readonly text: Promise<string>;
  soFar(): string;
  stop(): void;
}

const hasCurl = spawnSync("curl", ["--version"]).status === 0;

/** Runs `curl` with these arguments, or the same request without it where it is not installed. */
export function curl(args: readonly string[]): Transfer {
  return hasCurl ? spawned(args) : fetched(args);
}

function spawned(args: readonly string[]): Transfer {
  const child = spawn("curl", ["--silent", "--show-error", ...args], { stdio: ["ignore", "pipe", "inherit"] });
  let body = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    body += chunk;
  });
  const text = new Promise<string>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", () => resolve(body));
  });
  return { text, soFar: () => body, stop: () => void child.kill() };
}

function fetched(args: readonly string[]): Transfer {
  const stopping = new AbortController();
  const headers: [string, string][] = [["User-Agent", "curl"]];
  let data: string | null = null;
  let url = "";
  for (let at = 0; at < args.length; at++) {
    const word = args[at]!;
    if (word === "-d") data = args[++at]!;
    else if (word === "-H") headers.push(args[++at]!.split(": ", 2) as [string, string]);
    else if (!word.startsWith("-")) url = word;
  }
  let body = "";
  const read = async (): Promise<string> => {
    try {
      const method = data === null ? "GET" : "POST";
      const response = await fetch(url, { method, body: data, headers, signal: stopping.signal });
      const decoder = new TextDecoder();
      for await (const chunk of response.body!) body += decoder.decode(chunk, { stream: true });
    } catch (error) {
      if (!stopping.signal.aborted) throw error;
    }
    return body;
  };
  return { text: read(), soFar: () => body, stop: () => stopping.abort() };
}
