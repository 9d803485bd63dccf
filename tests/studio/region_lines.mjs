// Print the longest distance of a traced border from the true one, a diagonal, in pixels of the map.
globalThis.Path2D = class {
  points = [];
  moveTo(x, y) { this.points.push([x, y]); }
  lineTo(x, y) { this.points.push([x, y]); }
};
const { regionLines } = await import(`${process.argv[2]}/js/outlines.js`);
const side = 64;
const labels = Uint16Array.from({ length: side * side }, (_, i) => (2 * (i % side) > Math.floor(i / side) + 40 ? 1 : 0));
const { thin, bold } = regionLines({ labels, width: side, height: side }, [1]);
const away = ([x, y]) => Math.abs(2 * (x - 0.5) - (y - 0.5) - 40.5) / Math.sqrt(5);
const inner = (path) => path.points.filter(([x, y]) => y > 4 && y < side - 4 && x > 4 && x < side - 4);
console.log(JSON.stringify({ count: inner(bold).length, away: Math.max(...inner(bold).map(away)), both: inner(thin).length }));
