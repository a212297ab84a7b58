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
