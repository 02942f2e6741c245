// Texts whose contrast to what lies behind them is below WCAG's 4.5 (AA): [text, ratio] each. White words of a figure
// lie on what it draws, as on the cells of a matrix, and are passed over.
// Source: Web Content Accessibility Guidelines 2.2, 1.4.3 and the definition of relative luminance.
const channels = (colour) => (colour.match(/[\d.]+/g) ?? []).map(Number);
const luminance = ([r, g, b]) => {
  const [x, y, z] = [r, g, b].map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  return 0.2126 * x + 0.7152 * y + 0.0722 * z;
};
const behind = (element) => {
  for (let e = element; e; e = e.parentElement) {
    const [r, g, b, a = 1] = channels(getComputedStyle(e).backgroundColor);
    if (a === 1 && r !== undefined) return [r, g, b];
  }
  return [255, 255, 255];
};
const low = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
let seen = 0;
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.textContent.trim() || !element.checkVisibility({ opacityProperty: true })) continue;
  if (element.closest("option, :disabled, script")) continue;
  const style = getComputedStyle(element), figure = element.closest("svg");
  const ink = channels(figure ? style.fill : style.color);
  if (figure && ink.every((c) => c === 255)) continue;
  seen++;
  const [one, other] = [luminance(ink), luminance(behind(figure ?? element))];
  const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
  if (ratio < 4.5) low.push([walker.currentNode.textContent.trim().slice(0, 40), Math.round(ratio * 100) / 100]);
}
return { seen, low };
