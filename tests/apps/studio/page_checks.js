({
WIDGET: async (source) => {
  const { default: widget } = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  const host = document.body.appendChild(document.createElement("div"));
  const sent = [];
  let receive = null;
  const model = {
    send: (message, callbacks, buffers) => sent.push([message, buffers.length]), on: (name, listener) => { receive = listener; }, off: () => { receive = null; },
    get: () => null, set: () => {}, save_changes: () => {},
  };
  const cleanup = widget.render({ model, el: host });
  await new Promise((done) => setTimeout(done, 50));
  receive({ type: "hello", session: "s", photo: null, start: null, recipe: null, limits: {}, models: [] }, []);
  await new Promise((done) => setTimeout(done, 200));
  const root = host.querySelector(".colorzoo-pad");
  const shown = [root.dataset.notebook, root.dataset.state, sent];
  cleanup();
  return [...shown, host.childElementCount, receive === null];
},

MARKED: (from) => { const marks = document.querySelector(".cz-marks"), copy = new OffscreenCanvas(20, marks.height).getContext("2d", {willReadFrequently: true});
  copy.drawImage(marks, 10 - marks.width / 2 - from * devicePixelRatio, 0);
  return copy.getImageData(0, 0, 20, marks.height).data.some((value) => value > 0); },

SMALL_TARGETS: (least) => [...document.querySelectorAll(".colorzoo-pad :is(button, summary, select, input)")]
  .filter((el) => el.checkVisibility()).map((el) => [el.ariaLabel || el.textContent, (el.type === "checkbox" ? el.closest("label") : el).getBoundingClientRect()])
  .filter(([, box]) => Math.min(box.width, box.height) < least).map(([name, box]) => `${name} ${box.width} x ${box.height}`),

UNNAMED: () => [...document.querySelectorAll(".colorzoo-pad :is(button, input, select, summary, canvas[tabindex], [tabindex], [role=slider])")]
  .filter((el) => el.checkVisibility())
  .filter((el) => !(el.ariaLabel || el.labels?.[0]?.textContent || el.textContent).trim()).map((el) => el.outerHTML),

CONTRASTS: () => {
  const pixel = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
  const rgba = (color) => { pixel.clearRect(0, 0, 1, 1); pixel.fillStyle = color; pixel.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = pixel.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255]; };
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (el) => { for (let at = el; at; at = at.parentElement) {
    const color = rgba(getComputedStyle(at).backgroundColor); if (color[3] > 0.99) return color; } return [255, 255, 255, 1]; };
  const texts = [...document.querySelectorAll(".colorzoo-pad *")].filter((el) => el.checkVisibility({opacityProperty: true})
    && !el.closest(":disabled, .cz-visually-hidden, .cz-stale, .cz-region-colored")
    && [...el.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim()));
  return texts.map((el) => { const [a, b] = [light(rgba(getComputedStyle(el).color)), light(behind(el))];
    return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), el.className + ": " + el.textContent.slice(0, 30)]; })
    .filter(([ratio]) => ratio < 4.5);
},

COLORS: async ([source, rgb, wild]) => {
          const color = await import(`data:text/javascript;base64,${source}`);
          return [rgb.map(color.rgbToLab), wild.map(([lightness, a, b]) => color.reduceChroma(lightness, [a, b])),
            rgb.map((levels, i) => color.atLightness(color.rgbToLab(levels), wild[i][0]))];
        },
})
