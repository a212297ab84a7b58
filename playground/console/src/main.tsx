import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { applyTheme, storedTheme } from "../../src/shell/theme.ts";
import { App } from "./app.tsx";
import "../../src/shell/base.css";
import "../../src/shell/shell.css";
import "../../src/session/session.css";
import "../../src/dashboard/dashboard.css";
import "./console.css";

applyTheme(storedTheme());

const root = document.getElementById("root");
if (root !== null) {
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}
