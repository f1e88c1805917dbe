"use strict";

// The button does nothing without this script, so without it there is none.
for (const tools of document.querySelectorAll("[data-print-tools]")) {
  tools.querySelector("button").addEventListener("click", () => window.print());
  tools.hidden = false;
}
