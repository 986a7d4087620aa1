// What slots cost a program while it starts: its first answer, one instance more, and that instance's memory. Every
// process is a new one: engines keep compiled code for as long as anything uses it.

import type { Bench, BenchOptions, Row } from './bench.ts';
import { measureInChild } from './child.ts';
import type { Release } from './engines.ts';
import { benchPrograms, type Mode } from './modules.ts';
import type { Startup } from './startup-process.ts';
import { spread } from './statistics.ts';

export const startup: Bench = {
  name: 'startup',
  shows:
    'a program starts, and one instance more is made: medians over processes; in brackets prepared / unprepared',
  columns: ['node', 'program', 'slots', 'first answer ms', 'instantiate µs', 'memory of an instance kB'],
  run,
};

/** The control is the plain module in other bytes, so that nothing of the first load is reused. */
const compared = ['control', 'all', 'auto', 'entry'] as const satisfies readonly Mode[];

async function* run({ only, processes, nodes }: BenchOptions): AsyncGenerator<Row> {
  for (const node of nodes)
    for (const { name } of benchPrograms.filter((w) => only.length === 0 || only.includes(w.name)))
      yield* measure(name, node, processes);
}

async function* measure(program: string, node: Release, processes: number): AsyncGenerator<Row> {
  const runs: Record<(typeof compared)[number], Startup[]> = { control: [], all: [], auto: [], entry: [] };
  for (let i = 0; i < processes; i++)
    for (const mode of compared)
      runs[mode].push(
        await measureInChild<Startup>('startup-process.ts', {
          args: [program, mode],
          node,
          flags: ['--expose-gc'],
        }),
      );
  const medianOf = (mode: (typeof compared)[number], figure: keyof Startup): number =>
    spread(runs[mode].map((run) => run[figure])).median;
  for (const slots of compared) {
    const cell = (figure: keyof Startup, unit: number, digits: number): string => {
      const [value, plain] = [medianOf(slots, figure), medianOf('control', figure)];
      const shown = (value / unit).toFixed(digits);
      if (slots === 'control' || plain <= 0) return shown;
      return `${shown} (${(value / plain).toFixed(2)})`;
    };
    yield {
      node,
      program,
      slots: slots === 'control' ? 'none' : slots,
      'first answer ms': cell('firstAnswerMs', 1, 1),
      'instantiate µs': cell('instantiateUs', 1, 0),
      'memory of an instance kB': cell('instanceBytes', 1024, 0),
    };
  }
}
