// The theme, and the plots.  Without it the page is complete but for them.
"use strict";
(() => {
  const root = document.documentElement;
  const darkPreferred = matchMedia("(prefers-color-scheme: dark)");
  const plots = [...document.querySelectorAll(".plot")];
  const PRINTED_WIDTH = 680; // CSS pixels: what A4 and Letter leave between the margins

  // --- theme: the system's until the reader chooses one, which is stored if the browser allows it
  const button = document.getElementById("theme");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : darkPreferred.matches);
  const nameButton = () => { button.textContent = isDark() ? "Light" : "Dark"; };
  const remembered = (action) => { try { return action(localStorage); } catch { return null; } };
  const chosen = remembered((storage) => storage.getItem("mlp-bench-theme"));
  if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    remembered((storage) => storage.setItem("mlp-bench-theme", root.dataset.theme));
    nameButton();
  });
  darkPreferred.addEventListener("change", nameButton);
  nameButton();
  button.hidden = false;

  // --- contents: open beside the text, closed above it
  const wide = matchMedia("(min-width: 70rem)");
  const openContents = () => { document.getElementById("contents").open = wide.matches; };
  wide.addEventListener("change", openContents);
  openContents();

  // --- plots
  async function loadPlotly(packed) {
    const bytes = Uint8Array.from(atob(packed.textContent), (char) => char.charCodeAt(0));
    const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(unpacked).text();
    packed.remove();
    document.head.append(script);
  }

  async function draw(plot) {
    const figure = JSON.parse(plot.nextElementSibling.textContent);
    // One finger scrolls the page and does not zoom a plot.
    figure.layout.dragmode = matchMedia("(pointer: coarse)").matches ? false : "zoom";
    await Plotly.newPlot(plot, figure.data, figure.layout, {
      responsive: true,
      displayModeBar: false, // it would cover what is below it, and offer to share the plot with others
    });
    await fit(plot, figure.layout.height);
  }

  // The height that a figure comes with is that of its plot; how high the legend is depends on the width of the page.
  const heights = new Map();
  function fit(plot, height = heights.get(plot)) {
    heights.set(plot, height);
    const legend = plot.querySelector(".legend .bg");
    const whole = height + (legend ? legend.getBBox().height : 0);
    return whole === plot.layout.height ? null : Plotly.relayout(plot, { height: whole });
  }

  function say(plot, sentence) {
    plot.removeAttribute("role");
    plot.className = "notice";
    plot.textContent = `${sentence} The CSV file and the tables hold the numbers. ${plot.getAttribute("aria-label")}`;
  }

  async function drawAll() {
    const packed = document.getElementById("plotly");
    if (!packed) return;
    try {
      await loadPlotly(packed);
    } catch (error) {
      plots.forEach((plot) => say(plot, `This browser cannot unpack the plots (${error}).`));
      return;
    }
    for (const plot of plots) {
      try { await draw(plot); } catch (error) { say(plot, `This plot was not drawn (${error}).`); }
    }
    root.dataset.drawn = "true";
  }

  // A plot has the width that it was drawn with: for paper, that of the paper; and what is folded is opened.
  const drawn = () => plots.filter((plot) => heights.has(plot));
  addEventListener("resize", () => drawn().forEach((plot) => fit(plot)));
  addEventListener("beforeprint", () => {
    document.querySelectorAll("details.folded").forEach((details) => { details.open = true; });
    drawn().forEach((plot) => Plotly.relayout(plot, { width: PRINTED_WIDTH }));
  });
  addEventListener("afterprint", () => {
    drawn().forEach((plot) => Plotly.relayout(plot, { width: null, autosize: true }));
  });

  drawAll();
})();
