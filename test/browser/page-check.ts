import type { Page } from "playwright-core";

/** Controls a screen reader could not name, as markup. */
export function namelessControls(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const nameOf = (element: Element): string => {
      const label = element.getAttribute("aria-label");
      if (label !== null) return label.trim();
      const by = element.getAttribute("aria-labelledby");
      if (by !== null) return document.getElementById(by)?.textContent?.trim() ?? "";
      if (element instanceof HTMLInputElement || element instanceof HTMLTextAreaElement) {
        return [...(element.labels ?? [])]
          .map((one) => one.textContent ?? "")
          .join(" ")
          .trim();
      }
      return (element.textContent ?? "").trim();
    };
    const controls =
      "button, a[href], input, textarea, select, [role=button], [role=option], [role=toolbar], [role=img]";
    return [...document.querySelectorAll(controls)]
      .filter((element) => nameOf(element) === "")
      .map((element) => element.outerHTML.slice(0, 200));
  });
}

/** Visible elements that stick out of the window sideways, as class names. */
export function overflowing(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    return [...document.querySelectorAll("body *")]
      .filter((element) => {
        if (!element.checkVisibility({ visibilityProperty: true })) return false;
        const box = element.getBoundingClientRect();
        return box.width > 1 && (box.right > width + 1 || box.left < -1);
      })
      .map((element) => `${element.tagName.toLowerCase()}.${element.className}`);
  });
}

/** Visible words whose contrast with their ground is under WCAG AA, with the ratio. Disabled controls are exempt. */
export function lowContrast(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    type Colour = [red: number, green: number, blue: number, alpha: number];
    const read = (colour: string): Colour => {
      if (canvas === null) return [0, 0, 0, 1];
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = colour;
      canvas.fillRect(0, 0, 1, 1);
      const [red = 0, green = 0, blue = 0, alpha = 0] = canvas.getImageData(0, 0, 1, 1).data;
      return [red, green, blue, alpha / 255];
    };
    const luminance = (colour: Colour): number => {
      const [red = 0, green = 0, blue = 0] = colour.slice(0, 3).map((value) => {
        const part = value / 255;
        return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const groundOf = (element: Element): Colour => {
      for (let at: Element | null = element; at !== null; at = at.parentElement) {
        const ground = read(getComputedStyle(at).backgroundColor);
        if (ground[3] > 0.99) return ground;
      }
      return [255, 255, 255, 1];
    };
    const poor: string[] = [];
    for (const element of document.querySelectorAll("body *")) {
      const words = [...element.childNodes].filter(
        (node) => node.nodeType === Node.TEXT_NODE && node.textContent?.trim(),
      );
      if (words.length === 0 || element.matches(":disabled *, :disabled, .hidden")) continue;
      if (!element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
      const style = getComputedStyle(element);
      const [a, b] = [luminance(read(style.color)), luminance(groundOf(element))];
      const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      const size = Number.parseFloat(style.fontSize);
      const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
      if (ratio < (large ? 3 : 4.5))
        poor.push(`${ratio.toFixed(2)} .${element.className}: ${element.textContent?.slice(0, 30)}`);
    }
    return [...new Set(poor)];
  });
}
