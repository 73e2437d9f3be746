// The search, the column that is followed through a drawing, and buttons that copy. Without it every page reads as well.
"use strict";

const root = document.documentElement.dataset.root;

// ---- search: a list in memory, gone through at each letter

const box = document.querySelector(".search");
const input = document.getElementById("search");
const list = document.getElementById("found");
const MOST = 40; // finds shown
const MOST_ALIKE = 4; // of them columns of one name
const IDLE_WORDS = new Set("a an and are as at by do does did for from how i in is it its many me much my of on or our the their there they this to us was we were what when where which who why with".split(" "));
let entries = null;
let chosen = -1;

// search.js calls this: pages from disk may load a script, and no data.
window.larderSearch = ({ nodes, columns, texts }) => {
  const lower = texts.map((text) => text.toLowerCase());
  const fromNodes = nodes.map(([kind, title, label, page, text, owner]) => ({
    kind, title: label || title, page, text,
    names: [title, title.split(".").pop(), label].filter(Boolean).map((name) => name.toLowerCase()),
    own: `${title} ${label}`.toLowerCase(), table: "", more: `${text} ${owner}`.toLowerCase(),
  }));
  const fromColumns = columns.map(([name, node, text]) => ({
    kind: "column", title: name, of: nodes[node][1], page: `${nodes[node][3]}#column-${name}`, text: texts[text],
    names: [name, `${nodes[node][1].split(".").pop()}.${name}`].map((one) => one.toLowerCase()), own: name.toLowerCase(), table: nodes[node][1].toLowerCase(), more: lower[text],
  }));
  entries = [...fromNodes, ...fromColumns];
  if (document.activeElement === input) find();
};

function load() {
  if (entries || document.getElementById("search-data")) return;
  const script = document.createElement("script");
  script.id = "search-data";
  script.src = `${root}search.js`;
  document.head.append(script);
}

const begins = (text, at) => at === 0 || !/[a-z0-9]/.test(text[at - 1]);

// How well an entry answers one word: by its name, by its table's, by its text; 0 where the word is nowhere.
function points(entry, word) {
  if (entry.names.some((name) => name.startsWith(word))) return 60;
  const [own, of, more] = [entry.own.indexOf(word), entry.table.indexOf(word), entry.more.indexOf(word)];
  if (own >= 0) return begins(entry.own, own) ? 45 : 20;
  if (of >= 0) return begins(entry.table, of) ? 16 : 8;
  return more < 0 ? 0 : begins(entry.more, more) ? 12 : 4;
}

function ranked(words, whole, needed) {
  const found = [];
  entries.forEach((entry, place) => {
    let sum = entry.names.includes(whole) ? 1000 : 0;
    let hits = 0;
    for (const word of words) {
      const more = points(entry, word);
      if (more) hits += 1;
      else if (needed) break;
      sum += more;
    }
    if (sum && (hits === words.length || !needed)) found.push([sum + (entry.table ? 0 : 6), place]);
  });
  return found.sort(([a, i], [b, j]) => b - a || i - j);
}

function matches(text) {
  const whole = text.trim().toLowerCase();
  const all = whole.split(/[\s?!,]+|\.(?=\w)/).filter(Boolean);
  const telling = all.filter((word) => !IDLE_WORDS.has(word));
  const words = (telling.length ? telling : all).map((word) => (/^[a-z]{3,}s$/.test(word) ? word.slice(0, -1) : word));
  if (!words.length) return [];
  let found = ranked(words, whole, true);
  if (!found.length) found = ranked(words, whole, false);
  const alike = new Map();
  const shown = [];
  for (const [, place] of found) {
    const entry = entries[place];
    const before = alike.get(entry.title) || 0;
    alike.set(entry.title, before + 1);
    if (before < MOST_ALIKE) shown.push(entry);
    if (shown.length === MOST) break;
  }
  return shown;
}

function element(name, text, className) {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function option(entry, place) {
  const made = document.createElement("a");
  made.href = root + entry.page;
  made.id = `found-${place}`;
  made.role = "option";
  made.tabIndex = -1;
  made.ariaSelected = "false";
  made.append(
    element("span", entry.kind, "kind"),
    element("b", entry.title),
    ...(entry.of ? [element("span", entry.of, "of")] : []),
    element("small", entry.text),
  );
  return made;
}

function find() {
  if (!entries) return load();
  const found = matches(input.value);
  list.replaceChildren(...found.map(option));
  if (!found.length && input.value.trim()) list.append(element("p", "Nothing found. Try another word, or fewer."));
  show(Boolean(input.value.trim()));
  choose(found.length ? 0 : -1);
}

function show(shown) {
  list.hidden = !shown;
  input.ariaExpanded = String(shown);
}

function choose(place) {
  list.children[chosen]?.setAttribute("aria-selected", "false");
  chosen = place;
  const option = list.querySelectorAll("[role=option]")[place];
  option?.setAttribute("aria-selected", "true");
  option?.scrollIntoView({ block: "nearest" });
  option ? input.setAttribute("aria-activedescendant", option.id) : input.removeAttribute("aria-activedescendant");
}

box.hidden = false;
input.addEventListener("input", find);
input.addEventListener("focus", () => (input.value ? find() : load()));
input.addEventListener("keydown", (event) => {
  const count = list.querySelectorAll("[role=option]").length;
  if (event.key === "ArrowDown" && count) choose((chosen + 1) % count);
  else if (event.key === "ArrowUp" && count) choose((chosen + count - 1) % count);
  else if (event.key === "Enter" && count && !list.hidden) list.children[chosen].click();
  else if (event.key === "Escape") show(false);
  else return;
  event.preventDefault();
});
box.addEventListener("focusout", (event) => box.contains(event.relatedTarget) || show(false));
list.addEventListener("mousedown", (event) => event.preventDefault()); // the input keeps the focus, the click still counts
list.addEventListener("click", () => show(false));
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) return;
  event.preventDefault();
  input.focus();
});
window.requestIdleCallback ? requestIdleCallback(load) : setTimeout(load, 500);

// ---- a column that an address names, opened with its lineage

function openTarget() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const details = target && target.querySelector("details.reach");
  if (details) details.open = true;
  if (trace && target && target.classList.contains("column")) {
    trace.value = target.id.slice("column-".length);
    follow();
  }
}

// ---- a column followed through the drawing

const trace = document.getElementById("trace");
const drawing = document.querySelector(".drawing");

function follow() {
  const path = JSON.parse(document.getElementById("paths").textContent)[trace.value];
  drawing.classList.toggle("followed", Boolean(path));
  for (const box of drawing.querySelectorAll(".box")) {
    const names = path?.boxes[box.dataset.box];
    const below = box.querySelector(".below");
    below.dataset.usual ??= below.textContent;
    box.classList.toggle("on", Boolean(names));
    const room = Math.floor((box.querySelector("rect").getBBox().width - 20) / 6.4);
    below.textContent = !names ? below.dataset.usual : names.length > room ? `${names.slice(0, room - 1)}…` : names;
  }
  for (const line of drawing.querySelectorAll(".line")) {
    line.classList.toggle("on", Boolean(path?.lines.includes(line.dataset.ends)));
  }
}

if (trace) {
  trace.parentElement.hidden = false;
  trace.addEventListener("change", follow);
}
if (drawing) {
  const here = drawing.querySelector(".here rect");
  if (here) drawing.scrollLeft = here.x.baseVal.value + here.width.baseVal.value / 2 - drawing.clientWidth / 2;
}
window.addEventListener("hashchange", openTarget);
openTarget();

// ---- copy

for (const code of document.querySelectorAll("pre:not(.expression) > code")) {
  const button = element("button", "Copy", "copy");
  button.type = "button";
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code.textContent.trim());
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code); // pages from disk may be refused the clipboard
      button.textContent = "Selected";
    }
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
  const frame = element("div", "", "copyable");
  code.parentElement.replaceWith(frame);
  frame.append(code.parentElement, button);
}
