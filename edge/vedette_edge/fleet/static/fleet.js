// The page of a fleet: shows the devices that arrive on /events, those in trouble first.

const FEW = 6; // devices, so that they can be large
const MANY = 40; // so that they must be small
const FIND_FROM = 10; // devices, from which on one wants to search
const MOST_LABELS = 4; // regions of a tile

const byId = (id) => document.getElementById(id);
const state = { connected: false, fleet: null, order: [], devices: new Map(), tiles: new Map(), ahead: 0 };

function make(tag, fields = {}, ...children) {
  const element = Object.assign(document.createElement(tag), fields);
  element.append(...children);
  return element;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const count = (number, noun) => `${number.toLocaleString()} ${noun}${number === 1 ? "" : "s"}`;

function formatDuration(seconds) {
  if (seconds < 60) return `${Math.max(0, Math.floor(seconds))} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`;
}

function formatMoment(seconds) {
  const moment = new Date(1000 * seconds);
  const time = { hour: "2-digit", minute: "2-digit" };
  const isToday = moment.toDateString() === new Date().toDateString();
  return moment.toLocaleString([], isToday ? time : { day: "numeric", month: "short", ...time });
}

// --- Tiles ----------------------------------------------------------------

function makeTile(id) {
  const tile = make("li", { className: "tile" }, make("h3"), make("div"),
    make("div"), make("ul", { className: "problems" }), make("div"));
  tile.dataset.id = id;
  return tile;
}

function drawTile(device) {
  const tile = state.tiles.get(device.id) || makeTile(device.id);
  state.tiles.set(device.id, tile);
  const [title, picture, labels, problems, facts] = tile.children;
  const kinds = device.problems.map((problem) => problem.kind);
  tile.className = ["tile", kinds.length ? "bad" : "", ...kinds].join(" ").trim();
  drawTitle(title, device);
  drawPicture(picture, device);
  labels.replaceChildren(...makeLabels(device));
  problems.replaceChildren(...device.problems.map((problem) => make("li", { textContent: describeProblem(problem) })));
  problems.hidden = !kinds.length;
  facts.replaceChildren(...makeFacts(device));
}

function drawTitle(title, device) {
  if (title.textContent === device.name && (title.querySelector("a")?.href || "") === device.page) return;
  title.replaceChildren(device.page
    ? make("a", { href: device.page, textContent: device.name, rel: "noopener noreferrer" })
    : make("span", { textContent: device.name }));
}

function drawPicture(place, device) {
  if (place.dataset.name === device.picture) return;
  place.dataset.name = device.picture;
  if (!device.picture) {
    place.replaceChildren(make("div", { className: "shot none", textContent: "no picture yet" }));
    return;
  }
  const image = place.querySelector("img") || make("img", { className: "shot", loading: "lazy", decoding: "async", width: 160, height: 120 });
  image.src = `/pictures/${device.id}.jpg?${device.picture}`;
  if (image.parentNode !== place) place.replaceChildren(image);
  image.alt = `Frame of the latest change, ${device.name}`;
}

function makeLabels(device) {
  if (!device.labels.some((one) => one.label)) {
    return [make("p", { className: "seen unlabelled", textContent: "no label yet" })];
  }
  const rows = device.labels.slice(0, MOST_LABELS).flatMap(makeLabel);
  const left = device.labels.length - MOST_LABELS;
  if (left > 0) rows.push(make("p", { className: "soft", textContent: `and ${count(left, "region")} more` }));
  return rows;
}

function makeLabel(one) {
  const row = make("p", { className: "seen" }, one.label || "no label yet");
  if (one.label && one.score !== null) row.append(" ", make("small", { textContent: `${Math.round(100 * one.score)} %` }));
  const rows = one.region ? [make("p", { className: "region", textContent: one.region }), row] : [row];
  if (one.label && one.since) rows.push(make("p", { className: "since", textContent: `since ${formatMoment(one.since)}` }));
  return rows;
}

function describeProblem({ text, detail, since }) {
  const lasts = since === null ? "" : ` for ${formatDuration(Date.now() / 1000 + state.ahead - since)}`;
  return `${text}${lasts}${detail ? `: ${detail}` : ""}`;
}

function makeFacts(device) {
  const camera = device.camera && device.online !== false ? "camera works" : "";
  const lines = [listMeasured(device), [camera, device.model]]
    .map((facts) => facts.filter(Boolean).map((fact) => fact.replaceAll(" ", "\u00a0")).join(" · "))
    .filter(Boolean).map((text) => make("p", { className: "facts-line", textContent: text }));
  if (device.hardware) lines.push(make("p", { className: "facts-line hardware", textContent: device.hardware }));
  return lines;
}

function listMeasured(device) {
  const facts = [];
  if (device.online === false && device.reported) facts.push(`last heard ${formatMoment(device.reported)}`);
  if (device.paused) facts.push("paused");
  if (device.online !== false) {
    if (device.fps !== null) facts.push(`${device.fps.toFixed(1)} frames/s`);
    if (device.temperature_c !== null) facts.push(`${Math.round(device.temperature_c)} °C`);
  }
  return facts;
}

// Durations go on while nothing arrives.
function tick() {
  for (const id of state.order) {
    const device = state.devices.get(id);
    const lines = state.tiles.get(id).querySelectorAll(".problems li");
    device.problems.forEach((problem, index) => setText(lines[index], describeProblem(problem)));
  }
}

// --- The page -------------------------------------------------------------

function arrange(place, ids) {
  const focused = document.activeElement;
  ids.forEach((id, index) => {
    const tile = state.tiles.get(id);
    if (place.children[index] !== tile) place.insertBefore(tile, place.children[index] || null);
  });
  while (place.children.length > ids.length) place.lastChild.remove();
  if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
}

function drawFleet() {
  const bad = state.order.filter((id) => state.devices.get(id).problems.length);
  const well = state.order.filter((id) => !state.devices.get(id).problems.length);
  const total = state.order.length;
  document.body.classList.toggle("one", total === 1);
  document.body.classList.toggle("few", total <= FEW);
  document.body.classList.toggle("many", total > MANY);
  for (const [name, title, ids] of [["trouble", "In trouble", bad], ["well", total && !bad.length ? "All well" : "Well", well]]) {
    byId(name).hidden = !ids.length;
    byId(`${name}-title`).replaceChildren(title, " ", make("span", { textContent: ids.length.toLocaleString() }));
    arrange(byId(`${name}-tiles`), ids);
  }
  byId("find").hidden = total < FIND_FROM;
  byId("empty").hidden = total > 0 || Boolean(state.fleet.problem);
  setText(byId("url"), state.fleet.broker);
  find();
  drawNotes();
  drawStatus(bad.length);
}

function drawNotes() {
  const { more, more_is_all: isAll, ignored } = state.fleet;
  const notes = [];
  if (more) notes.push(`${isAll ? "" : "More than "}${count(more, "further device")} not shown: this page shows ${state.order.length}.`);
  if (ignored) notes.push(`${count(ignored, "message")} that no watch sends ${ignored === 1 ? "was" : "were"} ignored.`);
  setText(byId("notes"), notes.join(" "));
}

function drawStatus(bad = state.order.filter((id) => state.devices.get(id).problems.length).length) {
  const [text, kind] = describeStatus(bad);
  const status = byId("status");
  setText(status, text);
  status.className = `status ${kind}`;
  document.title = `${bad ? `(${bad}) ` : ""}Vedette fleet`;
  document.body.classList.toggle("stale", !state.connected || Boolean(state.fleet?.problem));
}

function describeStatus(bad) {
  if (!state.connected) return [state.fleet ? "No connection to the page; trying again" : "Connecting", state.fleet ? "bad" : ""];
  if (state.fleet?.problem) return [`Broker: ${state.fleet.problem}`, "bad"];
  const total = count(state.order.length, "device");
  if (bad) return [`${bad.toLocaleString()} of ${total} in trouble`, "bad"];
  return [state.order.length ? `${total}, all well` : "Listening", "good"];
}

function find() {
  const words = byId("words").value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const id of state.order) {
    const tile = state.tiles.get(id);
    const text = words.length ? `${id} ${tile.textContent}`.toLowerCase() : "";
    tile.hidden = !words.every((word) => text.includes(word));
    shown += !tile.hidden;
  }
  setText(byId("matches"), words.length ? `${shown.toLocaleString()} of ${state.order.length.toLocaleString()}` : "");
}

// --- Events ---------------------------------------------------------------

function onFleet(event) {
  const { now, devices, order, ...fleet } = JSON.parse(event.data);
  state.ahead = now - Date.now() / 1000;
  state.fleet = fleet;
  for (const device of devices) {
    state.devices.set(device.id, device);
    drawTile(device);
  }
  if (order) {
    state.order = order;
    const kept = new Set(order);
    for (const id of state.devices.keys()) {
      if (!kept.has(id)) [state.devices, state.tiles].forEach((one) => one.delete(id));
    }
  }
  setText(byId("broker"), fleet.broker);
  drawFleet();
}

function connect() {
  const events = new EventSource("/events");
  events.addEventListener("fleet", onFleet);
  events.onopen = () => { state.connected = true; drawStatus(); };
  events.onerror = () => {
    state.connected = false;
    drawStatus();
    if (events.readyState === EventSource.CLOSED) setTimeout(retry, 3000);
  };
}

// A refusal ends an EventSource for good: find out why, and try again.
async function retry() {
  const answer = await fetch("/api/fleet").catch(() => null);
  if (answer && answer.status === 401) location.assign("/login");
  else connect();
}

byId("words").addEventListener("input", find);
byId("find").addEventListener("submit", (event) => event.preventDefault());
setInterval(tick, 1000);
connect();
