// Findings in the margin of a source file.
import type { Schemas } from '../../api/client';
import { type Severity, severityOf, SEVERITIES } from '../../lib/severity';

type Mark = Schemas['Mark'];

/** All marks that begin at a line. */
export interface LineMarks {
  keys: string[];
  /** The worst. */
  severity: Severity;
  marks: Mark[];
}

/** Marks by the line where they begin. */
export function byLine(marks: readonly Mark[]): Map<number, LineMarks> {
  const made = new Map<number, LineMarks>();
  for (const mark of marks) {
    const severity = severityOf(mark.severity);
    const known = made.get(mark.line);
    if (!known) {
      made.set(mark.line, { keys: [...mark.keys], severity, marks: [mark] });
      continue;
    }
    known.keys = [...new Set([...known.keys, ...mark.keys])];
    known.marks.push(mark);
    if (SEVERITIES.indexOf(severity) < SEVERITIES.indexOf(known.severity)) known.severity = severity;
  }
  return made;
}
