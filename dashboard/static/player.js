// A clip's first frame becomes a player: all frames are asked for in one go when somebody wants to see them, kept as the
// JPEG that they are, and decoded one at a time as they are shown. Times are those of the clip.
"use strict";

const SPEEDS = [0.1, 0.25, 0.5, 1, 2];
const isStill = matchMedia("(prefers-reduced-motion: reduce)");

function element(name, attributes = {}, text = "") {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

// What dashboard packs: the length of each part (four bytes), and the part; the first is JSON, the others are frames.
async function unpack(answer, onProgress) {
  const reader = answer.body.getReader();
  let held = new Uint8Array(0);
  let said = null;
  const frames = [];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const joined = new Uint8Array(held.length + value.length);
    joined.set(held);
    joined.set(value, held.length);
    held = joined;
    let at = 0;
    while (held.length - at >= 4) {
      const length = new DataView(held.buffer, held.byteOffset + at).getUint32(0);
      if (held.length - at - 4 < length) break;
      const part = held.slice(at + 4, at + 4 + length);
      if (said === null) said = JSON.parse(new TextDecoder().decode(part));
      else frames.push(length ? new Blob([part], { type: "image/jpeg" }) : null);
      at += 4 + length;
    }
    held = held.slice(at);
    if (said) onProgress(frames.length, said.frames);
  }
  if (said === null || frames.length === 0) throw new Error("nothing came");
  return { frames, times: said.times_ms, isWhole: frames.length === said.frames };
}

class Player {
  constructor(root) {
    this.root = root;
    this.name = root.dataset.name;
    this.scored = new Set(root.dataset.scored.split(" ").filter(Boolean).map(Number));
    this.poster = root.querySelector("img");
    this.at = 0;
    this.speed = 1;
    this.playing = false;
    this.drawing = null;
    this.controls = element("div", { class: "controls", role: "group", "aria-label": `Player of ${this.name}` });
    this.toggle = element("button", { type: "button" }, "Play");
    this.toggle.addEventListener("click", () => this.press());
    this.controls.append(this.toggle);
    root.append(this.controls);
    this.poster.addEventListener("click", () => this.press());
    root.addEventListener("keydown", (event) => this.onKey(event));
    if ("opens" in root.dataset) this.openWhenSeen();
  }

  openWhenSeen() {
    const observer = new IntersectionObserver((seen) => {
      if (!seen.some((one) => one.isIntersecting)) return;
      observer.disconnect();
      this.load().catch(() => {});
    });
    observer.observe(this.root);
  }

  async press() {
    if (!this.frames) {
      await this.load();
      if (!this.frames || isStill.matches || this.frames.length === 1) return;
    }
    if (this.playing) this.pause();
    else this.play();
  }

  load() {
    this.loading ??= this.fetchAll().finally(() => { if (!this.frames) this.loading = null; });
    return this.loading;
  }

  async fetchAll() {
    this.toggle.disabled = true;
    this.root.querySelector(".why")?.remove();
    try {
      const answer = await fetch(this.root.dataset.frames);
      if (!answer.ok) throw new Error(answer.headers.get("content-type")?.startsWith("text/plain") ? await answer.text() : `the server answered ${answer.status}`);
      const { frames, times, isWhole } = await unpack(answer, (count, of) => { this.toggle.textContent = `Loading ${Math.round((100 * count) / Math.max(of, 1))} %`; });
      this.frames = frames;
      this.times = times.slice(0, frames.length);
      this.build();
      if (!isWhole) this.say("the clip did not come to its end: these are its first frames");
      await this.show(0);
    } catch (error) {
      this.say(`This clip cannot be shown: ${error.message}`);
    } finally {
      this.toggle.disabled = false;
      this.toggle.textContent = "Play";
    }
  }

  say(why) {
    this.root.append(element("p", { class: "why", role: "status" }, why));
  }

  build() {
    this.canvas = element("canvas", { class: "screen", role: "img", tabindex: "0" });
    this.canvas.addEventListener("click", () => this.press());
    this.poster.replaceWith(this.canvas);
    if (this.frames.length === 1) { this.toggle.hidden = true; }
    const step = (by, label, sign) => {
      const button = element("button", { type: "button", "aria-label": label }, sign);
      button.addEventListener("click", () => this.step(by));
      return button;
    };
    this.slider = element("input", { type: "range", min: "1", max: String(this.frames.length), value: "1", "aria-label": `Frame of ${this.name}` });
    this.slider.addEventListener("input", () => { this.pause(); this.show(Number(this.slider.value) - 1); });
    const place = element("div", { class: "place" });
    place.append(this.slider, this.marks());
    const speed = element("select", { "aria-label": "Speed" });
    for (const one of SPEEDS) speed.append(new Option(`${one} ×`, one, one === 1, one === 1));
    speed.addEventListener("change", () => { this.speed = Number(speed.value); });
    this.output = element("output");
    this.controls.append(step(-1, "One frame back", "◀|"), step(1, "One frame on", "|▶"), speed, this.output, place);
  }

  // The frames that an answer rests on, below the slider.
  marks() {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const count = this.frames.length;
    svg.setAttribute("viewBox", `0 0 ${count} 1`);
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("aria-hidden", "true");
    for (const number of this.scored) {
      const mark = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      for (const [key, value] of Object.entries({ class: "mark", x: number - 1 + 0.25, y: 0, width: 0.5, height: 1 })) mark.setAttribute(key, value);
      svg.append(mark);
    }
    return svg;
  }

  // How long a frame is seen: until the next was taken; the last as long as the one before it.
  lasts(index) {
    const next = Math.min(index + 1, this.times.length - 1);
    const before = Math.max(next - 1, 0);
    return Math.max(this.times[next] - this.times[before], 1) || 33;
  }

  play() {
    if (this.playing || !this.frames || this.frames.length < 2) return;
    this.playing = true;
    this.toggle.textContent = "Pause";
    let last = performance.now();
    let seen = 0;
    const tick = (now) => {
      if (!this.playing || !this.root.isConnected) return;
      seen += (now - last) * this.speed;
      last = now;
      let index = this.at;
      if (seen > 2000) seen = this.lasts(index); // the page was away
      while (seen >= this.lasts(index)) {
        seen -= this.lasts(index);
        index = (index + 1) % this.frames.length;
      }
      if (index !== this.at) this.show(index);
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  pause() {
    this.playing = false;
    this.toggle.textContent = "Play";
  }

  step(by) {
    if (!this.frames) return;
    this.pause();
    this.show((this.at + by + this.frames.length) % this.frames.length);
  }

  // One frame is decoded at a time; of those wanted meanwhile, the last is next.
  async show(index) {
    this.at = index;
    this.tell();
    if (this.drawing !== null) return;
    while (this.drawing !== this.at) {
      this.drawing = this.at;
      await this.draw(this.drawing);
    }
    this.drawing = null;
  }

  async draw(index) {
    const context = this.canvas.getContext("2d");
    const picture = this.frames[index] ? await createImageBitmap(this.frames[index]).catch(() => null) : null;
    if (picture === null) {
      context.fillStyle = "#10161a";
      context.fillRect(0, 0, this.canvas.width, this.canvas.height);
      context.fillStyle = "#b9c4c9";
      context.fillText(`frame ${index + 1} is damaged`, 12, 24);
      return;
    }
    if (this.canvas.width !== picture.width || this.canvas.height !== picture.height) {
      this.canvas.width = picture.width;
      this.canvas.height = picture.height;
    }
    context.drawImage(picture, 0, 0);
    picture.close();
  }

  tell() {
    const isScored = this.scored.has(this.at + 1);
    const said = `frame ${this.at + 1} of ${this.frames.length} · ${(this.times[this.at] / 1000).toFixed(3)} s${isScored ? " · scored" : ""}`;
    this.output.textContent = said;
    this.output.classList.toggle("scored", isScored);
    this.slider.value = String(this.at + 1);
    this.slider.setAttribute("aria-valuetext", said);
    this.canvas.setAttribute("aria-label", `${this.name}, frame ${this.at + 1} of ${this.frames.length}`);
  }

  onKey(event) {
    if (event.target.matches("select, input") || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === " " && !event.target.matches("button")) this.press();
    else if (event.key === "ArrowLeft") this.step(-1);
    else if (event.key === "ArrowRight") this.step(1);
    else if (event.key === "Home" && this.frames) { this.pause(); this.show(0); }
    else if (event.key === "End" && this.frames) { this.pause(); this.show(this.frames.length - 1); }
    else return;
    event.preventDefault();
  }
}

for (const root of document.querySelectorAll(".player")) new Player(root);
