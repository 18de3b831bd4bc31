// The theme, the filters of long tables, and the plots.  Without it the page is complete but for these.
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
  const contents = document.getElementById("contents"); // a page of one section has none
  const openContents = () => { contents.open = wide.matches; };
  if (contents) {
    wide.addEventListener("change", openContents);
    openContents();
  }

  // --- filters: a choice for each marked column, kept in the address; of many rows the first are shown
  const ROWS_AT_ONCE = 200;
  function addFilters(table) {
    const rows = [...table.tBodies[0].rows];
    const bar = document.createElement("p");
    const count = document.createElement("span");
    const more = document.createElement("button");
    const choices = new Map();
    let atMost = ROWS_AT_ONCE;
    const text = (row, at) => row.cells[at].textContent.trim();
    const fitting = () => rows.filter((row) => [...choices].every(([at, one]) => !one.value || text(row, at) === one.value));
    const show = (limit = atMost) => {
      const fit = fitting();
      rows.forEach((row) => { row.hidden = true; });
      fit.slice(0, limit).forEach((row) => { row.hidden = false; });
      count.textContent = `${Math.min(limit, fit.length)} of ${fit.length} rows`;
      more.hidden = fit.length <= limit;
    };
    const address = new URL(location.href);
    [...table.tHead.rows[0].cells].forEach((head, at) => {
      const values = [...new Set(rows.map((row) => text(row, at)))].sort();
      if (!("filter" in head.dataset) || values.length < 2) return;
      const name = head.textContent.trim();
      const label = document.createElement("label");
      const select = document.createElement("select");
      select.append(new Option("all", ""), ...values.map((value) => new Option(value, value)));
      select.value = address.searchParams.get(name) ?? "";
      if (select.selectedIndex < 0) select.value = "";
      select.addEventListener("change", () => {
        if (select.value) address.searchParams.set(name, select.value);
        else address.searchParams.delete(name);
        remembered(() => history.replaceState(null, "", address));
        atMost = ROWS_AT_ONCE;
        show();
      });
      label.append(`${name} `, select);
      choices.set(at, select);
      bar.append(label);
    });
    more.type = "button";
    more.textContent = "Show more";
    more.addEventListener("click", () => { atMost += ROWS_AT_ONCE; show(); });
    count.setAttribute("role", "status");
    bar.className = "filters screen";
    bar.append(count, more);
    table.parentElement.before(bar);
    addEventListener("beforeprint", () => show(rows.length));
    addEventListener("afterprint", () => show());
    show();
  }
  new Set([...document.querySelectorAll("th[data-filter]")].map((head) => head.closest("table"))).forEach(addFilters);

  // --- plots
  async function loadPlotly(packed) {
    const text = atob(packed.textContent);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i); // from(text, ...) takes the best part of a second
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
      displayModeBar: false, // it would cover what is below it, and offer to share the plot with others
    });
    await fit(plot, figure.layout.height);
    widths.observe(plot);
  }

  // The height that a figure comes with is that of its plot; how high the legend is depends on the width of the page.
  const heights = new Map();
  function fit(plot, height = heights.get(plot)) {
    heights.set(plot, height);
    const legend = plot.querySelector(".legend .bg");
    const whole = height + (legend ? legend.getBBox().height : 0);
    return whole === plot.layout.height ? null : Plotly.relayout(plot, { height: whole });
  }

  // Plotly itself leaves a plot whose height is set as wide as it is when the window narrows or a phone is turned.
  let printing = false;
  const widths = new ResizeObserver((entries) => {
    for (const { target, contentRect } of entries) {
      const width = Math.floor(contentRect.width);
      if (!printing && width && width !== target.layout.width) setWidth(target, width);
    }
  });
  const setWidth = (plot, width) => Plotly.relayout(plot, { width }).then(() => fit(plot));

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

  // For paper, plots have its width; and what is folded is opened.
  const drawn = () => plots.filter((plot) => heights.has(plot));
  addEventListener("beforeprint", () => {
    printing = true;
    document.querySelectorAll("details.folded").forEach((details) => { details.open = true; });
    drawn().forEach((plot) => Plotly.relayout(plot, { width: PRINTED_WIDTH }));
  });
  addEventListener("afterprint", () => {
    printing = false;
    drawn().forEach((plot) => setWidth(plot, plot.clientWidth));
  });

  drawAll();
})();
