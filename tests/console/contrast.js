/* Gives [text, contrast, class] of each text that is seen with a contrast below 4.5 to what is behind it
   (relative luminance and contrast as WCAG 2.2 defines them). */
(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (text) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], [x, y, z]) => [r * a + x * (1 - a), g * a + y * (1 - a), b * a + z * (1 - a), 1];
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((each) => each / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (element) => {
    const layers = [];
    for (let each = element; each; each = each.parentElement) layers.unshift(each);
    return layers.reduce((colour, each) => over(rgba(getComputedStyle(each).backgroundColor), colour), [255, 255, 255, 1]);
  };
  const boxOf = (element) => element.closest("g.node")?.querySelector("rect.box");
  const low = [];
  let seen = 0;
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    if (element.closest("textarea, :disabled, .unseen, .skip, title, [aria-busy=true]")) continue;
    const style = getComputedStyle(element);
    const svg = element instanceof SVGElement;
    let back = behind(element);
    if (svg && boxOf(element)) back = over(rgba(getComputedStyle(boxOf(element)).fill), back);
    const front = over(rgba(svg ? style.fill : style.color), back);
    const [bright, dark] = [light(front), light(back)].sort((a, b) => b - a);
    const contrast = (bright + 0.05) / (dark + 0.05);
    seen += 1;
    if (contrast < 4.5) low.push([walk.currentNode.data.trim().slice(0, 40), contrast.toFixed(2), element.className?.baseVal ?? element.className]);
  }
  if (seen < 10) low.push(["too little is seen", seen]);
  return low;
})()
