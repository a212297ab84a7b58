import type { ReactNode } from "react";

const SHAPES = {
  chat: <path d="M4 5h16v11H9l-4.5 3.5V16H4z" />,
  menu: <path d="M4 7h16M4 12h16M4 17h16" />,
  panel: <path d="M4 5h16v14H4zM14.5 5v14" />,
  close: <path d="m6 6 12 12M18 6 6 18" />,
  send: <path d="M4.5 12 20 4.5 15.5 20l-3.6-6.2zM20 4.5l-8.1 9.3" />,
  reply: <path d="M10 6 4 12l6 6M4.5 12H14a6 6 0 0 1 6 6" />,
  react: <path d="M20 12a8 8 0 1 1-4-6.9M9 10v.5M15 10v.5M8.5 14.5a4.2 4.2 0 0 0 7 0M20 3v5M17.5 5.5h5" />,
  edit: <path d="m5 19 .8-3.8L16 5l3 3L8.8 18.2zM14 7l3 3" />,
  trash: <path d="M5 7h14M10 7V4.5h4V7M7 7l.8 12.5h8.4L17 7M10.5 10.5v5.5M13.5 10.5v5.5" />,
  clock: <path d="M12 4.5a7.5 7.5 0 1 0 0 15 7.5 7.5 0 0 0 0-15zM12 8v4.3l2.8 1.7" />,
  check: <path d="m5 12.5 4.5 4.5L19 7.5" />,
  checks: <path d="m2.5 12.5 4.5 4.5L16.5 7.5M11 16l1 1 9.5-9.5" />,
  sent: <path d="M12 19V6M6.5 11 12 5.5 17.5 11" />,
  warning: <path d="M12 4 3 19.5h18zM12 10v4.5M12 17v.2" />,
  down: <path d="M12 5v13M6 12.5l6 6 6-6" />,
  plus: <path d="M12 5v14M5 12h14" />,
  dice: <path d="M5 5h14v14H5zM9 9v.1M15 9v.1M12 12v.1M9 15v.1M15 15v.1" />,
  sun: (
    <path d="M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M18.7 5.3l-1.4 1.4M6.7 17.3l-1.4 1.4" />
  ),
  moon: <path d="M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10z" />,
  auto: <path d="M12 4a8 8 0 1 0 0 16zM12 4a8 8 0 0 1 0 16z" />,
  exit: <path d="M10 5H5v14h5M9.5 12H20M16 8l4 4-4 4" />,
  people: (
    <path d="M9 5.5a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM3.5 19a5.5 5.5 0 0 1 11 0M15.5 6a2.8 2.8 0 0 1 0 5.3M17 14a5 5 0 0 1 3.5 5" />
  ),
  gauge: <path d="M5.500 18a8.500 8.500 0 1 1 13 0zM12 14l4-4.500M12 6v1.500M5.500 12H7M17 12h1.500" />,
  lab: <path d="M4 19V5M4 19h16M8 15l3.500-5 3 3L20 6" />,
  game: (
    <path d="M7 8h10a4 4 0 0 1 4 4.500c0 2.500-1 4.500-3 4.500-1.700 0-2-2-3.500-2h-5c-1.500 0-1.800 2-3.500 2-2 0-3-2-3-4.500A4 4 0 0 1 7 8zM8.500 10.500v3M7 12h3M15.500 11v.1M17 13v.1" />
  ),
  pause: <path d="M8.500 6v12M15.500 6v12" />,
  play: <path d="M8 5.500 18 12 8 18.500z" />,
  reset: <path d="M5 12a7 7 0 1 0 2.300-5.200M5 4.500V9h4.500" />,
  bell: (
    <path d="M12 4a5.500 5.500 0 0 0-5.500 5.500c0 5-2 6.500-2 6.500h15s-2-1.500-2-6.500A5.500 5.500 0 0 0 12 4zM10 19a2.200 2.200 0 0 0 4 0" />
  ),
  inbox: <path d="M4 13l2.500-8h11L20 13v6H4zM4 13h5l1 2.500h4l1-2.500h5" />,
  archive: <path d="M4 5h16v4H4zM5.500 9v10h13V9M10 13h4" />,
  open: <path d="M13 5h6v6M19 5l-8.500 8.500M16 14v5H5V8h5" />,
  dot: <path d="M12 7a5 5 0 1 0 0 10 5 5 0 0 0 0-10z" />,
  document: <path d="M6 3.5h8L18.500 8v12.500H6zM13.500 3.500V8.500h5M9 12.500h6.500M9 16h6.500" />,
  cut: <path d="m13 3-2 6h6l-6 12 1.5-8.5H7z" />,
} as const satisfies Record<string, ReactNode>;

/** The name of an icon. */
export type IconName = keyof typeof SHAPES;

/** A line icon in the colour of the text. Decoration only: what it stands for is said in words beside it or by its control. */
export function Icon({ name, size = 18 }: { name: IconName; size?: number }) {
  return (
    <svg className="icon" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      {SHAPES[name]}
    </svg>
  );
}
