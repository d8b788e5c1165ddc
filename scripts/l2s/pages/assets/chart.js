// Draws the figure that the page holds as JSON, with Vega, which the page has loaded.
"use strict";
vegaEmbed("#chart", JSON.parse(document.getElementById("spec").textContent), { mode: "vega-lite", renderer: "svg" });
