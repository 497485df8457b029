/* The theme that was chosen here before, set before anything is painted; without one, the system's. */
"use strict";
try {
  const chosen = localStorage.getItem("callflow.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch { /* storage is switched off: the system's theme */ }
