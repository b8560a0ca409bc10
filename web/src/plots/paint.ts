// What a line plot paints itself on uPlot's canvas: shades, bands, raw curves, marks, limits.
import type uPlot from 'uplot';
import type { Limit, Line, Shade } from './lines';

type Colour = (text: string) => string;
type Values = readonly (number | null)[];

function clipped(u: uPlot, draw: (context: CanvasRenderingContext2D) => void): void {
  const { ctx, bbox } = u;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  draw(ctx);
  ctx.restore();
}

/** Stretches of x, below everything else. */
export function paintShades(u: uPlot, shades: readonly Shade[], colour: Colour): void {
  clipped(u, (context) => {
    for (const shade of shades) {
      const left = u.valToPos(shade.from, 'x', true);
      const width = Math.max(2 * devicePixelRatio, u.valToPos(shade.to, 'x', true) - left);
      context.fillStyle = colour(shade.color);
      context.fillRect(left, u.bbox.top, width, u.bbox.height);
    }
  });
}

const drawable = (value: number | null | undefined, log: boolean): value is number =>
  value !== null && value !== undefined && Number.isFinite(value) && !(log && value <= 0);

/** The extremes of thinned stretches as a band, and faintly the raw curve under a smoothed one. */
export function paintUnder(u: uPlot, lines: readonly Line[], log: boolean, colour: Colour): void {
  const { min = 0, max = 0 } = u.scales['x'] ?? {};
  clipped(u, (context) => {
    for (const line of lines) {
      context.fillStyle = context.strokeStyle = colour(line.color);
      if (line.low && line.high) {
        context.lineWidth = 0.75 * devicePixelRatio;
        paintBand(u, context, line, line.low, line.high, log, min, max);
      }
      if (line.raw) {
        context.globalAlpha = 0.35;
        context.lineWidth = devicePixelRatio;
        paintCurve(u, context, line.x, line.raw, log);
      }
    }
  });
}

function paintBand(
  u: uPlot,
  context: CanvasRenderingContext2D,
  line: Line,
  low: Values,
  high: Values,
  log: boolean,
  min: number,
  max: number,
): void {
  const floor = u.scales['y']?.min ?? 0;
  let stretch: [number, number, number][] = [];
  const close = (): void => {
    if (stretch.length > 0) {
      context.beginPath();
      for (const [x, , top] of stretch) context.lineTo(x, top);
      for (const [x, bottom] of stretch.reverse()) context.lineTo(x, bottom);
      context.closePath();
      context.globalAlpha = 0.25;
      context.fill();
      context.globalAlpha = 0.45; // a spike of one stretch is hardly wider than its edge
      context.stroke();
    }
    stretch = [];
  };
  line.x.forEach((at, i) => {
    // one point beyond each rim, so that the band reaches it
    if ((line.x[i + 1] ?? at) < min || (line.x[i - 1] ?? at) > max) return;
    const top = high[i];
    const bottom = low[i];
    if (!drawable(top, log) || bottom === null || bottom === undefined || !Number.isFinite(bottom)) return close();
    const lowest = log && bottom <= 0 ? floor : bottom;
    stretch.push([u.valToPos(at, 'x', true), u.valToPos(lowest, 'y', true), u.valToPos(top, 'y', true)]);
  });
  close();
}

function paintCurve(u: uPlot, context: CanvasRenderingContext2D, x: readonly number[], y: Values, log: boolean): void {
  let pen = false;
  context.beginPath();
  x.forEach((at, i) => {
    const value = y[i];
    if (!drawable(value, log)) {
      pen = false;
      return;
    }
    const left = u.valToPos(at, 'x', true);
    const top = u.valToPos(value, 'y', true);
    if (pen) context.lineTo(left, top);
    else context.moveTo(left, top);
    pen = true;
  });
  context.stroke();
}

/** NaN as a cross and +∞ as a triangle at the upper rim, −∞ at the lower one. */
export function paintRim(u: uPlot, lines: readonly Line[], colour: Colour): void {
  const size = 4 * devicePixelRatio;
  const top = u.bbox.top + size + 2;
  const bottom = u.bbox.top + u.bbox.height - size - 2;
  const [first, final] = [u.bbox.left, u.bbox.left + u.bbox.width];
  clipped(u, (context) => {
    context.lineWidth = 1.6 * devicePixelRatio;
    context.setLineDash([]); // a dashed curve leaves its dashes
    for (const line of lines) {
      context.fillStyle = context.strokeStyle = colour(line.color);
      let last = -Infinity; // marks closer than one mark's width say the same
      line.x.forEach((at, i) => {
        const value = (line.raw ?? line.y)[i];
        if (value === null || value === undefined || Number.isFinite(value)) return;
        const exact = u.valToPos(at, 'x', true);
        if (exact < first - 1 || exact > final + 1) return;
        const x = Math.min(final - size - 1, Math.max(first + size + 1, exact)); // whole beside the frame
        if (x - last < size) return;
        last = x;
        context.beginPath();
        if (Number.isNaN(value)) {
          context.moveTo(x - size, top - size);
          context.lineTo(x + size, top + size);
          context.moveTo(x + size, top - size);
          context.lineTo(x - size, top + size);
          context.stroke();
        } else {
          const [tip, base] = value > 0 ? [top - size, top + size] : [bottom + size, bottom - size];
          context.moveTo(x, tip);
          context.lineTo(x + size, base);
          context.lineTo(x - size, base);
          context.fill();
        }
      });
    }
  });
}

/** Limits as dashed lines with their names. */
export function paintLimits(u: uPlot, limits: readonly Limit[], log: boolean, colour: Colour, font: string): void {
  clipped(u, (context) => {
    context.strokeStyle = context.fillStyle = colour('var(--ink-soft)');
    context.lineWidth = 1.2 * devicePixelRatio;
    context.font = font;
    context.textAlign = 'right';
    for (const limit of limits) {
      if (!drawable(limit.value, log)) continue;
      const y = u.valToPos(limit.value, 'y', true);
      const right = u.bbox.left + u.bbox.width;
      context.setLineDash([5 * devicePixelRatio, 4 * devicePixelRatio]);
      context.beginPath();
      context.moveTo(u.bbox.left, y);
      context.lineTo(right, y);
      context.stroke();
      const above = y - u.bbox.top > 18 * devicePixelRatio;
      const [textX, textY] = [right - 4 * devicePixelRatio, above ? y - 4 * devicePixelRatio : y + 13 * devicePixelRatio];
      // a halo, so that it can be read on a curve
      context.save();
      context.setLineDash([]);
      context.lineWidth = 4 * devicePixelRatio;
      context.lineJoin = 'round';
      context.strokeStyle = colour('var(--surface)');
      context.strokeText(limit.label, textX, textY);
      context.restore();
      context.fillText(limit.label, textX, textY);
    }
  });
}

/** The name of the x axis, in the corner beside its numbers. */
export function paintName(u: uPlot, name: string, ink: string, font: string): void {
  const { ctx, bbox } = u;
  ctx.save();
  ctx.fillStyle = ink;
  ctx.font = font;
  ctx.textAlign = 'right';
  ctx.textBaseline = 'top';
  ctx.fillText(name, bbox.left - 6 * devicePixelRatio, bbox.top + bbox.height + 5 * devicePixelRatio);
  ctx.restore();
}
