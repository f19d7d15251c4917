// The live page: shows what the watch sends on /events, and today's changes from /api/history.

const MOST_ROWS = 12; // of labels, until all are asked for
const CHANGES_STEP = 24; // shown at once
const STALE_S = 3; // without a frame, after which the picture is grey
const DAY_S = 86400;

const byId = (id) => document.getElementById(id);
const state = {
  watch: null, reason: "", connected: false, view: null, viewAt: 0,
  lost: null, changes: [], shownChanges: CHANGES_STEP, allLabels: false, rowsAt: 0,
  metrics: [], region: "", proposed: null, moved: null, axis: { from: 0, until: DAY_S },
};

function make(tag, fields = {}, ...children) {
  const element = Object.assign(document.createElement(tag), fields);
  element.append(...children);
  return element;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const colourOf = (label) => {
  const index = state.watch ? state.watch.labels.indexOf(label) : -1;
  return index < 0 || label === "unknown" ? "var(--soft)" : `hsl(${(200 + index * 137.5) % 360} 55% 50%)`;
};

function formatDuration(seconds) {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const formatSeconds = (seconds) =>
  (seconds < 60 || seconds >= 3600 ? formatDuration(seconds) : `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`);

const formatTime = (moment) =>
  moment.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });

// --- What the camera sees -------------------------------------------------

// The score of the label; if it is unknown as none is high enough, the best label and its score.
function describeScore(region) {
  const scores = region.smoothed || region.scores;
  if (!scores) return "";
  const best = scores.indexOf(Math.max(...scores));
  const index = state.watch.labels.indexOf(shownLabel(region));
  if (shownLabel(region) === "unknown" && best !== index) {
    return `${state.watch.labels[best]} ${scores[best].toFixed(2)}`;
  }
  return index < 0 ? "" : scores[index].toFixed(2);
}

function drawVerdicts(view) {
  const place = byId("verdicts");
  place.classList.toggle("many", view.regions.length > 1);
  while (place.children.length > view.regions.length) place.lastChild.remove();
  view.regions.forEach((region, index) => {
    const box = place.children[index] || place.appendChild(makeVerdict());
    const [name, label, sentence] = box.children;
    name.hidden = !region.region;
    setText(name, region.region);
    setText(label.firstChild.firstChild, shownLabel(region));
    setText(label.lastChild, describeScore(region));
    setText(sentence, region.explanation);
  });
}

// The label is announced when it changes; scores, which change all the time, are not.
function makeVerdict() {
  const label = make("span", { ariaLive: "polite" }, make("b"));
  label.style.cssText = "font: inherit; color: inherit; margin: 0";
  label.firstChild.style.fontWeight = "inherit";
  return make("div", { className: "verdict" }, make("h2"),
    make("p", { className: "label" }, label, make("span")), make("p", { className: "sentence" }));
}

function shownLabel(region) {
  if (region.label || !region.scores) return region.label || "no scores";
  return state.watch.labels[region.scores.indexOf(Math.max(...region.scores))];
}

function drawFrame(view) {
  const picture = byId("picture");
  picture.src = view.picture;
  picture.hidden = false;
  const age = Math.max(0, (Date.now() - Date.parse(view.time)) / 1000);
  setText(byId("frame-caption"),
    `Frame ${view.frame.toLocaleString()}, ${formatTime(new Date(view.time))}, ${view.width} x ${view.height}`
    + (age > STALE_S ? `, ${formatDuration(age)} ago by this device's clock` : ""));
  const areas = view.regions.length && state.watch.areas.filter((area) => area.name) || [];
  const place = byId("areas");
  while (place.children.length > areas.length) place.lastChild.remove();
  areas.forEach((area, index) => {
    const box = place.children[index] || place.appendChild(make("div", {}, make("span")));
    const [x, y] = [view.scale / view.width, view.scale / view.height].map((it) => 100 * it);
    Object.assign(box.style, {
      left: `${area.x * x}%`, top: `${area.y * y}%`,
      width: `${area.width * x}%`, height: `${area.height * y}%`,
    });
    const region = view.regions.find((one) => one.region === area.name);
    setText(box.firstChild, region ? `${area.name}: ${shownLabel(region)}` : area.name);
  });
}

// --- Why ------------------------------------------------------------------

function drawWhy(view) {
  const region = view.regions.find((one) => one.region === state.region) || view.regions[0];
  if (!region) return;
  const input = byId("input");
  if (view.inputs[region.region]) input.src = view.inputs[region.region];
  input.hidden = !input.src;
  if (input.naturalWidth) {
    setText(byId("input-caption"), "What the network gets, exactly: "
      + `${input.naturalWidth} x ${input.naturalHeight} pixels`);
  }
  drawRules(region);
  const many = state.watch.labels.length > MOST_ROWS;
  const button = byId("all-labels");
  button.hidden = !many;
  button.setAttribute("aria-pressed", state.allLabels);
  setText(button, state.allLabels ? `Show the ${MOST_ROWS} best labels`
    : `Show all ${state.watch.labels.length.toLocaleString()} labels`);
  if (many && Date.now() - state.rowsAt < 1000) return;
  state.rowsAt = Date.now();
  drawScores(region, many);
}

function drawRules(region) {
  let text = "Dot: the score of this frame alone.";
  if (state.proposed) text += " The lines are where the sliders below put them, and are not applied.";
  else if (region.smoothed) {
    const [enter, leave] = [region.enter, region.leave].map(listLines);
    text = `Bar: score smoothed over ${region.smoothing} s. ${text} Solid line${enter}: here a label `
      + `takes over. Dotted line${leave}: below it, the label is given up. If none reaches its line, `
      + `the label is unknown. A label stays ${region.dwell} s at least.`;
  }
  setText(byId("rules"), text);
}

// A line's value, if it is the same for all labels.
function listLines(setting) {
  const lines = new Set(state.watch.thresholds.map((threshold) => Math.max(setting, threshold)));
  return lines.size === 1 ? ` at ${[...lines][0].toFixed(2)}` : "";
}

function drawScores(region, many) {
  const { labels, thresholds } = state.watch;
  const scores = region.smoothed || region.scores || [];
  let order = labels.map((_, index) => index);
  if (many) {
    order.sort((one, other) => (scores[other] || 0) - (scores[one] || 0));
    if (!state.allLabels) order = order.slice(0, MOST_ROWS);
  }
  const body = byId("scores");
  while (body.children.length > order.length) body.lastChild.remove();
  order.forEach((index, place) => {
    const row = body.children[place] || body.appendChild(makeRow());
    const [name, bar, smoothed, alone] = row.children;
    const track = bar.firstChild;
    const [own, raw] = [region.smoothed?.[index], region.scores?.[index]];
    row.classList.toggle("current", labels[index] === shownLabel(region));
    setText(name, labels[index]);
    name.title = labels[index];
    setText(smoothed, own === undefined ? "" : own.toFixed(2));
    setText(alone, raw === undefined ? "" : raw.toFixed(2));
    const isUnknown = labels[index] === "unknown";
    const rules = state.proposed || region;
    const lines = { enter: Math.max(rules.enter, thresholds[index]), leave: Math.max(rules.leave, thresholds[index]) };
    track.dataset.alone = raw === undefined ? "" : "1";
    track.dataset.rules = own === undefined || isUnknown ? "" : "1";
    const values = { smoothed: own ?? raw ?? 0, alone: raw ?? 0, ...lines };
    for (const [key, value] of Object.entries(values)) track.style.setProperty(`--${key}`, value || 0);
  });
}

function makeRow() {
  const track = make("div", { className: "track", ariaHidden: "true" }, make("i"), make("u"), make("s"), make("b"));
  return make("tr", {}, make("th", { scope: "row" }), make("td", {}, track),
    make("td", { className: "n" }), make("td", { className: "n alone" }));
}

function drawRegionChoice() {
  const names = state.watch.areas.map((area) => area.name).filter(Boolean);
  byId("region-choice").hidden = names.length < 2;
  byId("region").replaceChildren(...names.map((name) => make("option", { value: name, textContent: name })));
  if (!names.includes(state.region)) state.region = names[0] || "";
  byId("region").value = state.region;
}

// --- Today ----------------------------------------------------------------

const midnight = () => new Date().setHours(0, 0, 0, 0) / 1000;

function drawToday() {
  const begin = midnight();
  const changes = state.changes.filter((one) => one.event === "change" && one.at >= begin);
  drawStrips(begin);
  const newest = changes.slice(-state.shownChanges).reverse();
  byId("changes").replaceChildren(...newest.map(makeChange));
  byId("no-changes").hidden = changes.length > 0;
  byId("more-changes").hidden = changes.length <= state.shownChanges;
}

function makeChange(change) {
  const item = make("li");
  item.style.setProperty("--colour", colourOf(change.label));
  const moment = new Date(change.time);
  const isLow = change.label === "unknown" && change.best !== "unknown";
  item.append(
    make("time", { dateTime: change.time, textContent: formatTime(moment) }),
    make("b", { textContent: (change.region ? `${change.region}: ` : "") + change.label }),
    make("span", { textContent: isLow ? `${change.best} ${change.score.toFixed(2)}`
      : (change.frame_score ?? change.score).toFixed(2) }),
  );
  if (change.snapshot) {
    item.append(makeSnapshot(change));
  }
  return item;
}

// A snapshot is written a moment after its record.
function makeSnapshot(change) {
  const src = `/snapshots/${encodeURIComponent(change.snapshot)}`;
  const image = make("img", { src, alt: `Frame of the change to ${change.label}`, loading: "lazy" });
  let tries = 0;
  image.onerror = () => { if (tries++ < 3) setTimeout(() => { image.src = src; }, 1000); };
  return image;
}

// A strip for each region: its labels of today.
function drawStrips(begin) {
  const now = Date.now() / 1000;
  const regions = [...new Set(state.changes.filter((one) => one.event === "change").map((one) => one.region || ""))];
  const spans = (regions.length ? regions : [""]).map((name) => listSpans(name, begin, now));
  state.axis = findAxis(Math.min(now, ...spans.flat().map((span) => span.from)), now);
  const strips = spans.map((one, index) =>
    makeStrip(regions[index], one, "labels of today; the list below has the latest"));
  const { from, until } = state.axis;
  const hours = make("div", { className: "hours", ariaHidden: "true" }, ...[0, 1, 2, 3, 4].map((part) => {
    const moment = new Date(1000 * (from + part * (until - from) / 4));
    return make("span", { textContent: moment.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }) });
  }));
  byId("strips").replaceChildren(...strips, hours);
}

// The whole day, or its latest part if there was nothing before.
function findAxis(first, now) {
  const begin = midnight();
  if (now - first > 3 * 3600) return { from: begin, until: begin + DAY_S };
  const from = Math.max(begin, Math.floor(first / 600) * 600);
  return { from, until: from + Math.ceil((now - from) / 1200) * 1200 };
}

function makeStrip(name, spans, description) {
  const { from, until } = state.axis;
  const strip = make("div", { className: "strip" });
  for (const span of spans) {
    const part = make("i", { title: `${span.label}, ${formatTime(new Date(span.from * 1000))}` });
    Object.assign(part.style, {
      left: `${100 * (span.from - from) / (until - from)}%`, width: `${100 * (span.until - span.from) / (until - from)}%`,
      background: colourOf(span.label), minWidth: "1px",
    });
    strip.append(part);
  }
  if (name) strip.append(make("b", { textContent: name }));
  strip.setAttribute("role", "img");
  strip.setAttribute("aria-label", `${name ? `${name}: ` : ""}${description}`);
  return strip;
}

function listSpans(region, begin, now) {
  const spans = [];
  let open = null;
  const close = (until) => {
    if (open && until > begin) spans.push({ ...open, from: Math.max(begin, open.from), until });
    open = null;
  };
  for (const one of state.changes) {
    if (one.event === "change" && (one.region || "") === region) {
      if (!open && one.previous && one.lasted_s) open = { label: one.previous, from: one.at - one.lasted_s };
      close(one.at);
      open = { label: one.label, from: one.at };
    } else if (["camera_lost", "stop", "start"].includes(one.event)) {
      close(one.at);
    }
  }
  close(now);
  return spans;
}

const kept = new Set(["change", "camera_lost", "camera_restored", "start", "stop"]);

function addRecords(records) {
  const known = new Map(state.changes.map((one) => [keyOf(one), one]));
  if (!records.some((record) => kept.has(record.event))) return;
  const receivedAt = Date.now();
  for (const record of records) {
    if (kept.has(record.event)) known.set(keyOf(record), { ...record, at: Date.parse(record.time) / 1000, receivedAt });
  }
  state.changes = [...known.values()].sort((one, other) => one.at - other.at).slice(-5000);
  state.lost = null;
  for (const one of state.changes) {
    if (one.event === "camera_lost") state.lost = one;
    else if (one.event !== "stop") state.lost = null;
  }
  drawToday();
}

const keyOf = (record) => `${record.time} ${record.event} ${record.region || ""}`;

// The log lags some seconds behind, so it is read again.
async function loadHistory(again = true) {
  const answer = await fetch(`/api/history?since=${midnight() - 3600}`).catch(() => null);
  if (answer?.ok) addRecords((await answer.json()).records);
  if (again) for (const delay of [4000, 10000]) setTimeout(() => loadHistory(false), delay);
}

// --- Thresholds -----------------------------------------------------------

const SLIDERS = ["enter", "leave"];

// The sliders follow the watch until somebody moves them.
function drawThresholds(view) {
  const region = view.regions.find((one) => one.smoothed);
  byId("thresholds").hidden = !region;
  byId("may-not").hidden = state.watch.may_change;
  byId("configured").disabled = !state.watch.may_change;
  if (region && !state.proposed) setSliders(region);
}

function setSliders(values) {
  const { labels, thresholds } = state.watch;
  const own = Math.min(...thresholds.filter((_, index) => labels[index] !== "unknown"));
  for (const name of SLIDERS) {
    byId(name).value = values[name];
    const counts = own > values[name] ? `, but the model asks for ${own.toFixed(2)}` : "";
    setText(byId(`${name}-value`), values[name].toFixed(2) + counts);
  }
}

// A label cannot be given up above the score at which it takes over: the other slider goes along.
function onSlide(event) {
  const { id } = event.target;
  const moved = { ...state.moved, [id]: Number(event.target.value) };
  const values = { ...readSliders(), ...moved };
  if (values.leave > values.enter) {
    moved.enter = Math.max(values[id], 0.05);
    moved.leave = values[id];
  }
  state.moved = moved; // the other one stays as it is, whatever the step of its slider
  state.proposed = { ...readSliders(), ...moved };
  setSliders(state.proposed);
  byId("apply").disabled = !state.watch?.may_change;
  byId("undo").disabled = false;
  compare();
}

const readSliders = () => Object.fromEntries(SLIDERS.map((name) => [name, Number(byId(name).value)]));

let comparing = false;
let sent = null; // the sliders' values at the last request, whose answer stays in place of a preview

// One request at a time; the newest values count.
async function compare() {
  if (comparing) return;
  comparing = true;
  let asked = null;
  while (state.moved && state.moved !== asked) {
    asked = state.moved;
    const query = new URLSearchParams({ ...asked, since: midnight() });
    const answer = await fetch(`/api/what-if?${query}`).catch(() => null);
    const effect = answer?.ok ? await answer.json().catch(() => null) : { error: await findError(answer) };
    if (state.moved === asked) showEffect(effect || { error: "No connection to the page." }, sent !== asked);
  }
  comparing = false;
}

const findError = async (answer) => {
  if (!answer) return "No connection to the page.";
  const text = await answer.text().catch(() => "No connection to the page.");
  try {
    return JSON.parse(text).error;
  } catch {
    return text.trim();
  }
};

function showEffect({ error, since, regions = [] }, withText) {
  if (withText) setText(byId("effect"), error || describeEffect(since, regions));
  const strips = regions.map(({ region, proposed }) => {
    const spans = proposed.spans.filter(([label]) => label).map(([label, from, until]) => ({ label, from, until }));
    return makeStrip(region, spans, "labels of today with these thresholds");
  });
  byId("proposed").replaceChildren(...strips);
}

function describeEffect(known, regions) {
  if (!regions.some((one) => one.proposed.spans.length)) return "The watch has no scores of today yet.";
  const sum = (key, pick) => regions.reduce((total, one) => total + (pick(one[key]) || 0), 0);
  const changes = ["proposed", "present"].map((key) => sum(key, (one) => one.changes));
  const labels = new Set(regions.flatMap((one) => [...Object.keys(one.present.seconds), ...Object.keys(one.proposed.seconds)]));
  const times = [...labels].map((label) => {
    const [then, now] = ["proposed", "present"].map((key) => sum(key, (one) => one.seconds[label]));
    return { label, then, now, by: Math.abs(then - now) };
  }).filter((one) => one.by >= 1).sort((one, other) => other.by - one.by).slice(0, 4);
  const since = known > midnight() + 60 ? `Since ${formatTime(new Date(1000 * known))}` : "Today";
  const first = `${since}, looking once a second, with these: ${changes[0]} changes instead of ${changes[1]}`;
  return [first, ...times.map((one) =>
    `${one.label} for ${formatSeconds(one.then)} instead of ${formatSeconds(one.now)}`)].join("; ") + ".";
}

async function sendThresholds(values) {
  const { moved } = state;
  sent = moved;
  const body = JSON.stringify(values);
  const answer = await fetch("/api/thresholds", { method: "POST", body }).catch(() => null);
  if (answer?.status === 401) return location.assign("/login");
  if (answer?.ok && state.moved === moved) undo(); // but for a slider that was moved meanwhile
  setText(byId("effect"), answer?.ok
    ? "Applied from the next frame on. The service keeps this; a watch of your own forgets it when it ends."
    : await findError(answer));
}

// The sliders follow the watch again.
function undo() {
  state.proposed = state.moved = null;
  byId("apply").disabled = byId("undo").disabled = true;
  byId("proposed").replaceChildren();
  setText(byId("effect"), "");
}

for (const name of SLIDERS) byId(name).addEventListener("input", onSlide);
byId("apply").addEventListener("click", () => sendThresholds(state.moved));
byId("undo").addEventListener("click", undo);
byId("configured").addEventListener("click", () => sendThresholds({ enter: null, leave: null }));

// --- How the watch does ---------------------------------------------------

// Counters only grow, so a rate is what two snapshots of them differ by.
function onMetrics(event) {
  const moment = { at: performance.now() / 1000, receivedAt: Date.now() };
  const metrics = { ...JSON.parse(event.data), ...moment };
  state.metrics = [...state.metrics.filter((one) => metrics.at - one.at < 30), metrics];
  drawFacts(state.metrics[0], metrics);
  drawStatus();
}

function drawFacts(first, last) {
  const seconds = last.at - first.at;
  const rateOf = (name) => ((last.frames[name] - first.frames[name]) / seconds).toFixed(1);
  const frames = last.age.counts.reduce((sum, one) => sum + one, 0) - first.age.counts.reduce((sum, one) => sum + one, 0);
  const age = frames > 0 ? `${(1000 * (last.age.sum - first.age.sum) / frames).toFixed(0)} ms` : "";
  const facts = [
    ["Camera", last.camera.up ? state.watch?.camera ?? "" : "no picture", !last.camera.up],
    ["Model", last.build.model],
    ["Frames classified", seconds > 0 ? `${rateOf("classified")} a second` : ""],
    ["Frames dropped", seconds > 0 ? `${rateOf("dropped")} a second` : ""],
    ["Age of a frame when classified", age],
    ["Times the camera was lost", last.camera.losses.toLocaleString(), last.camera.losses > 0],
    ["Watching since", new Date(1000 * last.started_at).toLocaleString()],
    ...listHealth(last), ...listLosses(last),
  ];
  const place = byId("facts");
  if (place.children.length !== facts.length) {
    place.replaceChildren(...facts.map(() => make("div", {}, make("dt"), make("dd"))));
  }
  facts.forEach(([name, value, bad], index) => {
    const box = place.children[index];
    box.classList.toggle("bad", Boolean(bad));
    setText(box.children[0], name);
    setText(box.children[1], value);
  });
}

function listHealth({ health }) {
  const facts = [];
  const { temperature_c: temperature, now } = health;
  if (temperature !== null) facts.push(["Temperature", `${temperature.toFixed(0)} °C`, temperature >= 80]);
  if (now.length) facts.push(["Power and heat", now.join(", "), true]);
  return facts;
}

function listLosses({ log, outputs }) {
  const counts = { "the log": log?.dropped ?? 0 };
  for (const [name, one] of Object.entries(outputs)) counts[name] = (one.dropped ?? 0) + (one.failed ?? 0);
  const lost = Object.entries(counts).filter(([, count]) => count > 0);
  return [["Lost records", lost.map(([name, count]) => `${count} (${name})`).join(", ") || "none", lost.length > 0]];
}

function drawStatus() {
  const [text, kind] = findStatus();
  const status = byId("status");
  setText(status, text);
  status.className = `status ${kind}`;
  for (const name of ["stage", "verdicts"]) byId(name).classList.toggle("stale", kind === "bad");
  byId("present").hidden = !state.watch;
  byId("absent").hidden = Boolean(state.watch) || !state.reason;
  setText(byId("absent-reason"), state.reason ? state.reason[0].toUpperCase() + state.reason.slice(1) : "");
}

function findStatus() {
  if (!state.connected) return ["No connection to the page; trying again", "bad"];
  if (!state.watch) return ["No watch", "bad"];
  const metrics = state.metrics.at(-1);
  if (metrics?.paused) return ["Paused", "bad"];
  if (state.lost && state.viewAt <= state.lost.receivedAt) {
    const since = formatDuration(Date.now() / 1000 - state.lost.at);
    return [`Camera lost for ${since}: ${state.lost.reason}`, "bad"];
  }
  if (metrics && !metrics.camera.up && state.viewAt <= metrics.receivedAt) return ["No picture from the camera", "bad"];
  const age = (Date.now() - state.viewAt) / 1000;
  if (!state.view || age > STALE_S) return ["Waiting for a frame", ""];
  return ["Watching", "good"];
}

// --- Events ---------------------------------------------------------------

function onWatch(event) {
  const { watch, reason } = JSON.parse(event.data);
  Object.assign(state, { watch, reason, metrics: [] });
  if (watch) {
    setText(byId("name"), watch.name);
    document.title = `${watch.name}: Vedette`;
    drawRegionChoice();
    loadHistory();
  }
  drawStatus();
}

function onView(event) {
  const view = JSON.parse(event.data);
  if (!state.watch) return;
  Object.assign(state, { view, viewAt: Date.now() });
  drawVerdicts(view);
  drawFrame(view);
  drawWhy(view);
  drawThresholds(view);
  drawStatus();
}

let events = null;

function connect() {
  if (events || document.hidden) return;
  events = new EventSource("/events?pictures=1");
  events.addEventListener("watch", onWatch);
  events.addEventListener("view", onView);
  events.addEventListener("metrics", onMetrics);
  events.addEventListener("record", (event) => addRecords([JSON.parse(event.data)]));
  events.onopen = () => { state.connected = true; drawStatus(); };
  events.onerror = () => {
    state.connected = false;
    drawStatus();
    if (events?.readyState === EventSource.CLOSED) {
      disconnect();
      setTimeout(retry, 3000);
    }
  };
}

function disconnect() {
  events?.close();
  events = null;
}

// A refusal ends an EventSource for good: find out why, and try again.
async function retry() {
  const answer = await fetch(`/api/history?since=${Date.now() / 1000}`).catch(() => null);
  if (answer?.status === 401) location.assign("/login");
  else connect();
}

// A page that nobody looks at costs nothing.
document.addEventListener("visibilitychange", () => (document.hidden ? disconnect() : connect()));
byId("region").addEventListener("change", (event) => {
  state.region = event.target.value;
  if (state.view) drawWhy(state.view);
});
byId("all-labels").addEventListener("click", () => {
  state.allLabels = !state.allLabels;
  state.rowsAt = 0;
  if (state.view) drawWhy(state.view);
});
byId("more-changes").addEventListener("click", () => {
  state.shownChanges += CHANGES_STEP;
  drawToday();
});
setInterval(drawStatus, 1000);
setInterval(() => { if (events) compare(); }, 10_000); // the day goes on
connect();
