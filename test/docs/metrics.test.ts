import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { metricsOf, metricsPage } from "./metrics-table.ts";
import { inRepository, textOf } from "./tables.ts";

const NAME = /\byamabiko_[a-z0-9_]+/g;

async function known(): Promise<Set<string>> {
  const names = new Set<string>();
  for (const { name, type } of await metricsOf(true)) {
    names.add(name);
    // What Prometheus makes of one.
    if (type === "histogram") for (const part of ["bucket", "sum", "count"]) names.add(`${name}_${part}`);
  }
  return names;
}

describe("docs/reference/metrics.md", () => {
  it("says what the metrics are", async () => {
    await expect(await metricsPage()).toMatchFileSnapshot(inRepository("docs/reference/metrics.md"));
  });

  it("has a metric once, with the prefix and a sentence", async () => {
    const metrics = await metricsOf();
    expect(new Set(metrics.map(({ name }) => name)).size).toBe(metrics.length);
    for (const { name, help } of metrics) {
      expect(name).toMatch(/^yamabiko_[a-z_]+$/);
      expect(help.length).toBeGreaterThan(3);
    }
  });
});

describe("every metric that is named is there", () => {
  const guides = readdirSync(inRepository("docs/guides")).map((file) => `docs/guides/${file}`);
  const files = ["deploy/grafana/yamabiko.json", "deploy/prometheus/alerts.yml", ...guides, "README.md"];

  it.each(files)("in %s", async (file) => {
    const names = await known();
    const said = (textOf(file).match(NAME) ?? []).filter((name) => !name.startsWith("yamabiko_connection_upgrade"));
    for (const name of said) expect(names, `${name} in ${file}`).toContain(name);
  });
});

describe("deploy/", () => {
  it("grafana/yamabiko.json: a dashboard whose panels all ask for something, each in a place of its own", () => {
    const { panels } = JSON.parse(textOf("deploy/grafana/yamabiko.json")) as {
      panels: { title: string; gridPos: { x: number; y: number }; targets: { expr: string }[] }[];
    };
    expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length);
    expect(new Set(panels.map(({ gridPos: { x, y } }) => `${x} ${y}`)).size).toBe(panels.length);
    for (const { targets } of panels) for (const { expr } of targets) expect(expr).toMatch(NAME);
  });

  it("prometheus/: the rules are named once, say what to do, and prometheus.yml reads them from the admin listeners", () => {
    const { groups } = parse(textOf("deploy/prometheus/alerts.yml")) as {
      groups: { rules: { alert: string; annotations: { summary: string; description: string } }[] }[];
    };
    const rules = groups.flatMap((group) => group.rules);
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
    for (const { annotations } of rules) expect(annotations.description.length).toBeGreaterThan(20);
    const config = parse(textOf("deploy/prometheus/prometheus.yml"));
    const { services } = parse(textOf("deploy/compose.yaml"), { merge: true });
    expect(config.rule_files).toEqual(["alerts.yml"]);
    const { YAMABIKO_ADMIN_PORT: port } = services.node1.environment;
    expect(config.scrape_configs[0].static_configs[0].targets).toEqual([`node1:${port}`, `node2:${port}`]);
  });
});
