// Paints the cells of a heat map on a canvas.
import { decode, type Num } from '../lib/numbers';
import { colors, css, mix, type Scale } from './ramp';

export interface Sheet {
  cells: readonly (readonly (Num | null)[])[];
  findings: readonly (readonly number[])[];
  scale: Scale;
  dark: boolean;
  width: number;
  rowHeight: number;
}

const SHADES = 256;
const GAP = 6; // px of a column, from which on a line of ground is left between cells

/** Paint anew; sizes are CSS pixels, the canvas has as many as the screen. */
export function paint(canvas: HTMLCanvasElement, sheet: Sheet): void {
  const { cells, findings, scale, width, rowHeight } = sheet;
  const density = Math.min(3, devicePixelRatio || 1);
  const height = Math.max(1, cells.length * rowHeight);
  canvas.width = Math.max(1, Math.round(width * density));
  canvas.height = Math.round(height * density);
  const pen = canvas.getContext('2d');
  if (!pen) return;
  pen.scale(density, density);
  pen.clearRect(0, 0, width, height);
  const stops = colors(scale.kind, sheet.dark);
  const shades = Array.from({ length: SHADES }, (_, index) => css(mix(stops, index / (SHADES - 1))));
  const style = getComputedStyle(canvas);
  const hatch = hatched(pen, style.getPropertyValue('--critical'), style.getPropertyValue('--critical-soft'));
  const columns = cells[0]?.length ?? 0;
  const step = width / Math.max(1, columns);
  const gap = step >= GAP ? 1 : 0;
  cells.forEach((row, line) => {
    const top = line * rowHeight;
    row.forEach((cell, column) => {
      const value = decode(cell);
      if (value === null) return;
      const left = Math.round(column * step * density) / density;
      const right = Math.round((column + 1) * step * density) / density - gap;
      pen.fillStyle = Number.isFinite(value) ? (shades[Math.round(Math.min(1, Math.max(0, scale.share(value))) * (SHADES - 1))] ?? '') : hatch;
      pen.fillRect(left, top, right - left, rowHeight - 1);
    });
  });
  mark(pen, findings, step, rowHeight, style.getPropertyValue('--surface'), style.getPropertyValue('--ink'));
}

/** A line under the cells in which a finding of the layer was seen. */
function mark(pen: CanvasRenderingContext2D, findings: Sheet['findings'], step: number, rowHeight: number, ground: string, ink: string): void {
  findings.forEach((row, line) => {
    const top = (line + 1) * rowHeight - 4;
    let from = -1;
    for (let column = 0; column <= row.length; column++) {
      const on = (row[column] ?? 0) > 0;
      if (on && from < 0) from = column;
      if (on || from < 0) continue;
      pen.fillStyle = ground;
      pen.fillRect(from * step, top - 1, (column - from) * step, 4);
      pen.fillStyle = ink;
      pen.fillRect(from * step, top, (column - from) * step, 2);
      from = -1;
    }
  });
}

function hatched(pen: CanvasRenderingContext2D, line: string, ground: string): CanvasPattern | string {
  const tile = document.createElement('canvas');
  tile.width = tile.height = 6;
  const small = tile.getContext('2d');
  if (!small) return line;
  small.fillStyle = ground;
  small.fillRect(0, 0, 6, 6);
  small.strokeStyle = line;
  small.lineWidth = 1.6;
  small.beginPath();
  for (const shift of [-6, 0, 6]) {
    small.moveTo(shift, 6);
    small.lineTo(shift + 6, 0);
  }
  small.stroke();
  return pen.createPattern(tile, 'repeat') ?? line;
}
