import { readdir, readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { main } from "../../src/bin/main.ts";
import { resolveConfig } from "../../src/server/config.ts";
import { SETTINGS, variableOf } from "../../src/server/settings.ts";
import { FakeTerminal } from "../cli/fake-terminal.ts";
import { inRepository } from "../docs/tables.ts";
import { NginxServer } from "../support/nginx-server.ts";

const read = (path: string): Promise<string> => readFile(inRepository(path), "utf8");
/** What compose takes from whoever starts it. */
const SECRETS = {
  YAMABIKO_JWT_SECRET: "x".repeat(32),
  YAMABIKO_API_KEY: "",
  YAMABIKO_ADMIN_SECRET: "y".repeat(32),
  YAMABIKO_METRICS_SECRET: "z".repeat(32),
};
const VARIABLES = new Set(Object.keys(SETTINGS).map(variableOf));

/** What `yamabiko nginx` prints. */
async function printed(...args: string[]): Promise<string> {
  const terminal = new FakeTerminal();
  expect(await main(["nginx", ...args], terminal)).toBe(0);
  return `${terminal.printed.join("\n")}\n`;
}

describe("yamabiko nginx", () => {
  const NODES = ["--node", "node1:8080", "--node", "node2:8080"];

  it.each([
    ["yamabiko.conf", []],
    ["yamabiko-sticky.conf", ["--sticky"]],
  ])("prints deploy/nginx/%s", async (file, args) => {
    expect(await printed(...NODES, ...args)).toBe(await read(`deploy/nginx/${file}`));
  });

  it.each([
    [[]],
    [["--sticky"]],
    [["--path", "/chat/"]],
    [["--node", "127.0.0.1:8081", "--node", "[::1]:8082", "--path", "/a/b"]],
  ])("prints what nginx accepts: %j", async (args) => {
    expect(await NginxServer.complaints(await printed(...args))).toBe("");
  });

  it("prints what nginx accepts with TLS, but for the certificate, which is the operator's", async () => {
    const complaints = await NginxServer.complaints(await printed("--tls"));
    expect(complaints).toContain("/etc/nginx/tls/fullchain.pem");
    expect(complaints.match(/\[emerg\]/g)).toHaveLength(1);
  });

  it("takes the path off before a node sees it", async () => {
    expect(await printed("--path", "/chat")).toMatch(/location \/chat\/ \{\n +proxy_pass http:\/\/yamabiko\/;/);
  });

  it.each([
    [["--node", "a"], "HOST:PORT"],
    [["--node", "a:0"], "HOST:PORT"],
    [["--node", "a:80; }"], "HOST:PORT"],
    [["--path", "chat"], "/chat"],
    [["--path", "/a b"], "/chat"],
    [["--nodes", "a:1"], "yamabiko nginx --help"],
  ])("refuses %j", async (args, remedy) => {
    const terminal = new FakeTerminal();
    expect(await main(["nginx", ...args], terminal)).toBe(2);
    expect(terminal.printed).toEqual([]);
    expect(terminal.noted[1]).toContain(remedy);
  });
});

describe("deploy/", () => {
  it("compose.yaml: two nodes that the server understands, behind the nginx of deploy/, on a Redis that keeps", async () => {
    const { services } = parse(await read("deploy/compose.yaml"), { merge: true });
    for (const name of ["node1", "node2"]) {
      const { environment, stop_grace_period: grace } = services[name];
      const env = { ...environment, ...SECRETS };
      const config = resolveConfig({ env });
      expect(config).toMatchObject({ log: "redis://redis:6379", bus: "redis://redis:6379", dev: false });
      expect(Number.parseInt(grace, 10) * 1_000).toBeGreaterThan(config.readyGraceMs + 8_000);
    }
    expect(services.nginx.volumes[0]).toMatch(/^\.\/nginx\/yamabiko\.conf:/);
    expect(services.redis.command.join(" ")).toMatch(/appendonly yes --appendfsync always.*noeviction/);
  });

  it("helm: the values are YAML, every file uses only what they have, and variables are settings", async () => {
    const chart = "deploy/helm/yamabiko";
    const values = parse(await read(`${chart}/values.yaml`));
    expect(parse(await read(`${chart}/Chart.yaml`))).toMatchObject({ apiVersion: "v2", name: "yamabiko" });
    const kinds: string[] = [];
    for (const file of await readdir(inRepository(`${chart}/templates`))) {
      const text = await read(`${chart}/templates/${file}`);
      for (const [, path] of text.matchAll(/\.Values\.([A-Za-z.]+)/g)) {
        let value: unknown = values;
        for (const name of path!.split(".")) value = (value as Record<string, unknown> | undefined)?.[name];
        expect(value, `${file}: .Values.${path}`).toBeDefined();
      }
      for (const [name] of text.matchAll(/YAMABIKO_[A-Z_]+(?=\n)/g)) expect(VARIABLES).toContain(name);
      expect(text.match(/\{\{-? (if|range|with|define) /g)?.length ?? 0).toBe(text.match(/\{\{-? end /g)?.length ?? 0);
      if (file.endsWith(".tpl")) continue;
      // Without its actions each is YAML of its own.
      const plain = text.replace(/^ *\{\{-?.*\}\}\n/gm, "").replace(/\{\{.*?\}\}/g, "x");
      for (const document of parseAllDocuments(plain)) {
        expect((document as { errors: unknown[] }).errors).toEqual([]);
        kinds.push((document as { toJS(): { kind: string } }).toJS().kind);
      }
    }
    expect(kinds.sort()).toEqual([
      "Deployment",
      "HorizontalPodAutoscaler",
      "Ingress",
      "PodDisruptionBudget",
      "Service",
    ]);
    for (const name of Object.keys(values.env)) expect(VARIABLES).toContain(name);
  });

  it("Dockerfile: copies only what .dockerignore lets through, is not root, and says how it is", async () => {
    const text = await read("Dockerfile");
    const passed = (await read(".dockerignore")).split("\n").filter((line) => line.startsWith("!"));
    const copied = Array.from(text.matchAll(/^COPY (?!--from)(.+) \S+$/gm), ([, from]) => from!.split(" ")).flat();
    expect(copied.length).toBeGreaterThan(4);
    for (const path of copied) {
      expect(passed).toContain(`!${path}`);
      await read(path).catch((error) => expect(error.code).toBe("EISDIR"));
    }
    expect(text).toMatch(/^USER node$/m);
    expect(text).toMatch(/^HEALTHCHECK [\s\S]*\/healthz/m);
  });
});
