// Filters of a report, and what a mark of a chart stands for. Without it a page shows its first state, whole.
"use strict";

(() => {
  const form = document.querySelector(".filters");
  const chosen = document.querySelector(".chosen");
  const blocks = [...document.querySelectorAll(".block[data-by]")].map((element) => ({
    element,
    id: element.id,
    by: element.dataset.by.split(" "),
    fragment: element.querySelector(".fragment"),
    spec: JSON.parse(element.querySelector(".spec")?.textContent ?? "null"),
  }));

  // ---- scripts: pages from disk may load them, and no data

  const scripts = new Map();
  const shards = new Map();
  window.larderReport = (name, states) => shards.set(name, states);

  function load(address) {
    if (!scripts.has(address)) {
      scripts.set(address, new Promise((done, failed) => {
        const script = document.createElement("script");
        script.src = address;
        script.onload = done;
        script.onerror = () => {
          scripts.delete(address); // the next choice tries again
          failed(new Error(`${address} could not be loaded.`));
        };
        document.head.append(script);
      }));
    }
    return scripts.get(address);
  }

  const written = (name) => `${name} of ${form.dataset.key}`;
  async function loadShard(name) {
    await load(`${form.dataset.shards}${name}.js`);
    if (!shards.has(written(name))) throw new Error("This page was written again: reload it for newer figures.");
  }

  const idle = (work) => (window.requestIdleCallback ? requestIdleCallback(work) : setTimeout(work, 300));
  // ---- the state: what the controls say, kept in the address

  const controls = form ? [...form.elements].filter((control) => control.name) : [];
  const control = (name) => form.elements.namedItem(name);
  const options = (control) => [...(control.list ?? control).options];
  const optionOf = (control) => options(control).find((option) => option.value === control.value);
  const usual = new Map(controls.map((control) => [control, control.value]));

  function readAddress() {
    const asked = new URLSearchParams(location.hash.slice(1));
    for (const control of controls) {
      const value = asked.get(control.name) ?? usual.get(control);
      const valid = options(control).some((option) => option.value === value);
      control.value = valid ? value : usual.get(control);
    }
  }

  function writeAddress() {
    const changed = controls.filter((control) => control.value !== usual.get(control));
    const state = new URLSearchParams(changed.map((control) => [control.name, control.value]));
    history.replaceState(null, "", changed.length ? `#${state}` : location.pathname + location.search);
  }

  function inWords(control) {
    const option = optionOf(control);
    return `${control.labels[0].querySelector("span").textContent}: ${option ? option.text || option.value : "nothing yet"}`;
  }

  // ---- blocks

  const key = (block) => JSON.stringify(block.by.map((name) => control(name).value));
  const shardOf = (block) => `${block.by[0]}-${optionOf(control(block.by[0]))?.dataset.shard ?? 0}`;

  const stateOf = (block) => shards.get(written(shardOf(block)))?.[block.id]?.[key(block)];

  async function show() {
    const due = blocks.filter((block) => block.key !== key(block));
    const asked = due.map(key).join();
    const isOld = () => asked !== due.map(key).join(); // chosen again meanwhile: a later call shows that
    try {
      await Promise.all(due.filter((block) => !block.first.has(key(block))).flatMap((block) => [
        loadShard(shardOf(block)), ...(block.spec ? [load(form.dataset.vega)] : []),
      ]));
    } catch (error) {
      if (isOld()) return;
      chosen.textContent = `${error.message} What you see is of the choice before.`;
      chosen.classList.add("failed");
      return;
    }
    if (isOld()) return;
    await Promise.all(due.map(fill));
    chosen.classList.remove("failed");
    chosen.textContent = `${controls.map(inWords).join("; ")}.`;
    if (due.length) idle(prefetch);
  }

  async function fill(block) {
    const held = document.activeElement;
    const place = block.fragment.contains(held) ? focusable(block).indexOf(held) : -1;
    const opened = [...block.fragment.querySelectorAll("details")].map((details) => details.open);
    const wanted = (block.key = key(block));
    const state = block.first.get(wanted) ?? stateOf(block);
    const fresh = document.createElement("div");
    fresh.className = "fragment";
    fresh.innerHTML = state?.html ?? nothing(block);
    fresh.querySelectorAll("details").forEach((details, index) => (details.open = opened[index] ?? false));
    const plot = fresh.querySelector(".plot");
    if (block.spec && state?.rows && plot) await draw(plot, block, state.rows);
    if (wanted !== key(block)) return; // chosen again while it was drawn
    block.fragment.replaceWith(fresh);
    block.fragment = fresh;
    if (place >= 0) focusable(block)[place]?.focus({ preventScroll: true });
  }

  const nothing = ({ element }) => {
    const title = element.closest("header") ? `<h1>${document.querySelector(".kicker").innerHTML}</h1>` : "";
    return `${title}<p class="nothing">Nothing to show for this choice.</p>`;
  };

  const focusable = (block) => [...block.fragment.querySelectorAll("a, summary, [tabindex='0']")];

  // A new drawing for each state: one that is given other rows keeps the order of the former.
  async function draw(plot, block, rows) {
    const spec = block.spec[block.fragment.clientWidth < 560 ? "narrow" : "wide"];
    const [first, ...others] = spec.data;
    const filled = { ...spec, data: [{ ...first, values: structuredClone(rows) }, ...others] }; // Vega writes into rows
    await vegaEmbed(plot, filled, { mode: "vega", renderer: "svg", actions: false, tooltip: false, hover: false });
  }

  // What the reader may choose next: the neighbours of what is chosen, where a shard goes by it.
  async function prefetch() {
    const names = new Set(blocks.map((block) => block.by[0]));
    const wanted = [...names].flatMap((name) => {
      const all = options(control(name));
      const at = all.indexOf(optionOf(control(name)));
      return [all[at], all[at - 1], all[at + 1]].filter(Boolean).map((option) => `${name}-${option.dataset.shard}`);
    });
    await Promise.allSettled([...wanted.map(loadShard), ...(form.dataset.vega ? [load(form.dataset.vega)] : [])]);
  }

  // The first drawing takes longest, so it is done before anybody waits for one.
  async function warmUp() {
    await prefetch();
    const block = blocks.find((one) => one.spec && window.vegaEmbed && stateOf(one)?.rows);
    if (block) draw(document.createElement("div"), block, stateOf(block).rows);
  }

  if (form) {
    for (const block of blocks) {
      block.key = key(block);
      block.first = new Map([[block.key, { html: block.fragment.innerHTML }]]);
    }
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("change", ({ target }) => {
      if (!optionOf(target)) target.value = target.dataset.last ?? usual.get(target);
      target.dataset.last = target.value;
      writeAddress();
      show();
    });
    window.addEventListener("hashchange", () => { readAddress(); show(); });
    readAddress();
    show();
    window.addEventListener("load", () => idle(warmUp));
  }

  // ---- what a mark stands for: by pointer, and by arrow keys in a drawing that has the focus

  const NEAR = 28; // pixels
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  tip.ariaHidden = "true"; // the mark itself says it
  document.body.append(tip);
  let marked = null;

  const marksOf = (plot) => [...plot.querySelectorAll(".role-mark [aria-label]")].filter((mark) => mark.getClientRects().length);
  const middle = (mark) => { const box = mark.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; };

  function nearest(plot, x, y) {
    let [found, least] = [null, NEAR];
    for (const mark of marksOf(plot)) {
      const [atX, atY] = middle(mark);
      const distance = Math.hypot(atX - x, atY - y);
      if (distance < least) [found, least] = [mark, distance];
    }
    return found;
  }

  function point(mark, x, y) {
    marked?.classList.remove("marked");
    marked = mark;
    tip.hidden = !mark;
    if (!mark) return;
    mark.classList.add("marked");
    tip.replaceChildren(...mark.getAttribute("aria-label").split("; ").map((part) => {
      const line = document.createElement("div");
      const [, name, value] = part.match(/^(.*?): (.*)$/) ?? [, "", part];
      line.append(Object.assign(document.createElement("span"), { textContent: name }), Object.assign(document.createElement("b"), { textContent: value }));
      return line;
    }));
    const left = x + 14 + tip.offsetWidth > innerWidth ? x - 14 - tip.offsetWidth : x + 14;
    tip.style.left = `${Math.max(4, left)}px`;
    tip.style.top = `${Math.max(4, y - tip.offsetHeight - 10)}px`;
  }

  const plotOf = (event) => event.target.closest?.(".plot");
  for (const kind of ["pointermove", "pointerdown"]) {
    document.addEventListener(kind, (event) => {
      const plot = plotOf(event);
      const under = event.target.closest?.(".role-mark [aria-label]");
      const mark = plot && (under ?? nearest(plot, event.clientX, event.clientY));
      if (mark || (marked && !plot?.contains(document.activeElement))) point(mark, event.clientX, event.clientY);
    });
  }
  document.addEventListener("keydown", (event) => {
    const plot = plotOf(event);
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") return point(null);
    if (!plot || !step) return;
    event.preventDefault();
    const marks = marksOf(plot);
    const mark = marks[(marks.indexOf(document.activeElement) + step + marks.length) % marks.length] ?? marks[0];
    mark?.setAttribute("tabindex", "-1");
    mark?.focus();
  });
  document.addEventListener("focusin", ({ target }) => (target.matches(".role-mark [aria-label]") ? point(target, ...middle(target)) : point(null)));
  document.addEventListener("focusout", () => point(null));
  window.addEventListener("scroll", () => (marked && marked === document.activeElement ? point(marked, ...middle(marked)) : point(null)), { passive: true });
})();
