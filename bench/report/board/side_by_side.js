// Two machines side by side, from the data in the page; the address names them: ?a=<machine>&b=<machine>.
"use strict";
(() => {
  const MISSING = "\u2013";
  const view = document.getElementById("view");
  const machines = JSON.parse(document.getElementById("data").textContent);
  const address = new URL(location.href);
  const make = (name, text, more = {}) => Object.assign(document.createElement(name), { textContent: text ?? "" }, more);

  function choice(name, fallback) {
    const select = document.createElement("select");
    select.append(...machines.map((one) => new Option(one.label, one.address)));
    select.value = address.searchParams.get(name) ?? "";
    if (select.selectedIndex < 0) select.selectedIndex = Math.min(fallback, machines.length - 1);
    select.addEventListener("change", show);
    const label = make("label", `${name} `);
    label.append(select);
    return [label, select];
  }
  const [labelA, selectA] = choice("a", 0);
  const [labelB, selectB] = choice("b", 1);
  const bar = make("p", "", { className: "filters" });
  bar.append(labelA, labelB);
  const found = document.createElement("div");
  view.append(bar, found);

  // As bench.stats.unpaired: the distances from the medians to the bounds are added as squares, on logarithms.
  function timesAsFast(a, b) {
    if (a.key === null || a.key !== b.key) return null;
    const [aLow, aCenter, aHigh] = a.seconds;
    const [bLow, bCenter, bHigh] = b.seconds;
    const ratio = aCenter / bCenter;
    if ([aLow, aHigh, bLow, bHigh].includes(null)) return ratio.toPrecision(3);
    const low = ratio / Math.exp(Math.hypot(Math.log(aCenter / aLow), Math.log(bHigh / bCenter)));
    const high = ratio * Math.exp(Math.hypot(Math.log(aHigh / aCenter), Math.log(bCenter / bLow)));
    return `${ratio.toPrecision(3)} (${low.toPrecision(3)} to ${high.toPrecision(3)})`;
  }
  const whyNot = (a, b) => {
    if (!a || !b) return "measured on one of them only";
    if (a.key === null || b.key === null) return "comparison key unknown";
    return a.key === b.key ? "" : "different code or libraries";
  };

  // A row for each pair of equal keys, and for what has no partner one of the newest of either side.
  function pairs(a, b) {
    const rows = [];
    for (const stack of new Set([...a.rows, ...b.rows].map((one) => one.stack))) {
      const [ours, theirs] = [a, b].map((one) => one.rows.filter((row) => row.stack === stack));
      const equal = ours.flatMap((one) =>
        theirs.filter((other) => one.key !== null && one.key === other.key).map((other) => [one, other]));
      rows.push(...(equal.length ? equal : [[ours[0], theirs[0]]]));
    }
    return rows;
  }

  function table(caption, heads, rows) {
    const made = document.createElement("table");
    made.append(make("caption", caption));
    const head = made.createTHead().insertRow();
    heads.forEach((text) => head.append(make("th", text, { scope: "col" })));
    const body = made.createTBody();
    rows.forEach(([first, ...cells]) => {
      const row = body.insertRow();
      row.append(make("th", first, { scope: "row" }), ...cells.map((text) => make("td", text)));
    });
    const box = make("div", "", { className: "scroll", tabIndex: 0, role: "region", ariaLabel: `Table: ${caption}` });
    box.append(made);
    return [make("h2", caption), box];
  }

  const time = (row) => (row ? `${row.time}, ${row.interval} (${row.measured}, ${row.commit})` : MISSING);
  const quoted = (text) => (/^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

  function show() {
    const [a, b] = [selectA, selectB].map((one) => machines[one.selectedIndex]);
    address.searchParams.set("a", a.address);
    address.searchParams.set("b", b.address);
    try { history.replaceState(null, "", address); } catch { /* the view works without its address */ }
    found.replaceChildren();
    if (a === b) {
      found.append(make("p", machines.length < 2 ? "The board has one machine only." : "Choose two different machines."));
      return;
    }
    const command = make("p", "The full analysis: ");
    command.append(make("code", `python -m bench compare ${quoted(a.record)} ${quoted(b.record)}`));
    const timed = pairs(a, b).map(([one, other]) => [
      (one ?? other).stack, time(one), time(other), (one && other && timesAsFast(one, other)) ?? MISSING, whyNot(one, other),
    ]);
    const facts = [...new Set([...Object.keys(a.facts), ...Object.keys(b.facts)])]
      .map((fact) => [fact, a.facts[fact] ?? "not recorded", b.facts[fact] ?? "not recorded"])
      .filter(([, one, other]) => one !== other);
    found.append(
      command,
      ...table("Canonical run", ["stack", a.label, b.label, "times as fast", "remark"], timed),
      ...table("Differences between the machines", ["fact", a.label, b.label], facts),
    );
  }
  show();
})();
