// What is paid once: for preparing a module, for an instance of a large one, for applying a patch, for importing the package.

import type { Bench, BenchOptions, Row } from './bench.ts';
import { measureInChild } from './child.ts';
import type { Figures } from './costs-process.ts';
import { spread } from './statistics.ts';

export const costs: Bench = {
  name: 'costs',
  shows: 'CPU time of what is paid once; medians over processes',
  columns: ['node', 'what', 'figure', 'of which'],
  run,
};

type Show = (figures: Figures) => readonly [figure: string, details: string];

interface Cost {
  readonly what: string;
  readonly args: readonly [string, string];
  readonly show: Show;
  /** Binaryen takes minutes for the largest module: only on request, with `--only`. */
  readonly isSlow?: boolean;
}

const megabytes = (bytes = Number.NaN): string => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
const per = (bytes = Number.NaN, ms = Number.NaN): string => `${(bytes / 1000 / ms).toFixed(0)} MB/s`;
const ms = (value = Number.NaN): string => `${value.toFixed(value < 10 ? 2 : 0)} ms`;
const us = (value = Number.NaN): string => `${value.toFixed(value < 100 ? 1 : 0)} µs`;
const kilobytes = (bytes = Number.NaN): string => `${(bytes / 1000).toFixed(0)} kB`;

const showPrepare: Show = (f) => [
  per(f['bytes'], f['bestMs']),
  `${megabytes(f['bytes'])} in ${ms(f['bestMs'])}, the first time ${ms(f['firstMs'])}, ${megabytes(f['peakBytes'])} of memory`,
];
const showDebug: Show = (f) => [
  per(f['bytes'], f['laterMs']),
  `${megabytes(f['bytes'])} in ${ms(f['laterMs'])}, the first time ${ms(f['firstMs'])}`,
];
const showBuild: Show = (f) => [ms(f['ms']), `${megabytes(f['bytes'])}, ${f['functions']} replaced`];
const showInstantiate: Show = (f) => [
  `${((f['preparedUs'] ?? 0) / (f['plainUs'] ?? 0)).toFixed(2)}x`,
  `${us(f['preparedUs'])}, plain ${us(f['plainUs'])}; memory of one ${kilobytes(f['preparedBytes'])}, plain ${kilobytes(f['plainBytes'])}`,
];
const showApply: Show = (f) => [
  ms(f['applyMs']),
  `verify and compile ${ms(f['verifyMs'])}; for each instance stage ${us(f['stageUsEach'])}, commit ${us(f['commitUsEach'])}; revert ${ms(f['revertMs'])}`,
];
const showImport: Show = (f) => [ms(f['ms']), `${f['modules']} modules, ${kilobytes(f['bytes'])}`];

const all: readonly Cost[] = [
  ...(['sql.js', 'esbuild', 'clang'] as const).flatMap((kernel): Cost[] => [
    { what: `prepare ${kernel}, splice`, args: ['splice', kernel], show: showPrepare },
    { what: `prepare ${kernel}, binaryen`, args: ['binaryen', kernel], show: showPrepare, isSlow: true },
    { what: `build ${kernel}`, args: ['build', kernel], show: showBuild },
  ]),
  { what: 'debug information of web-tree-sitter', args: ['debug', 'web-tree-sitter'], show: showDebug },
  { what: 'instantiate 20000 functions', args: ['instantiate', '20000'], show: showInstantiate },
  { what: 'apply to 1 instance', args: ['apply', '1'], show: showApply },
  { what: 'apply to 10000 instances', args: ['apply', '10000'], show: showApply },
  { what: 'import wgraft', args: ['import', ''], show: showImport },
];

async function* run({ only, processes, nodes }: BenchOptions): AsyncGenerator<Row> {
  const chosen = all.filter(({ what, isSlow }) => (only.length === 0 ? !isSlow : only.includes(what)));
  for (const node of nodes)
    for (const { what, args, show } of chosen) {
      const runs: Figures[] = [];
      for (let i = 0; i < processes; i++)
        runs.push(await measureInChild('costs-process.ts', { args, node, flags: ['--expose-gc'] }));
      const figures = medians(runs);
      const [figure, details] = show(figures);
      yield { node, what, figure, 'of which': details, ...figures };
    }
}

function medians(runs: readonly Figures[]): Figures {
  const names = Object.keys(runs[0] ?? {});
  return Object.fromEntries(
    names.map((name) => [name, spread(runs.map((f) => f[name] ?? Number.NaN)).median]),
  );
}
