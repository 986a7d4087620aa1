// npm run bench -- [BENCH] [--only NAME,...] [--processes N] [--rounds N] [--json]
// Prints the figures that the docs quote, with the engine they were measured on.

import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import type { Bench, Row } from './bench.ts';
import { firstCall } from './first-call.ts';
import { redirect } from './redirect.ts';
import { slowdown } from './slowdown.ts';

const benches: readonly Bench[] = [slowdown, redirect, firstCall];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string', default: '' },
    processes: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '10' },
    json: { type: 'boolean', default: false },
  },
});
const chosen = positionals.length === 0 ? benches : benches.filter(({ name }) => positionals.includes(name));
if (chosen.length === 0) {
  console.error(`no bench "${positionals}"; there are ${benches.map(({ name }) => name).join(', ')}`);
  process.exit(2);
}

const machine = `Node ${process.versions.node}, V8 ${process.versions.v8}, ${cpus()[0]?.model ?? 'unknown CPU'}`;
const results: unknown[] = [];
if (!values.json) console.log(machine);
for (const bench of chosen) {
  const rows: Row[] = [];
  const options = {
    only: values.only.split(',').filter(Boolean),
    processes: Number(values.processes),
    rounds: Number(values.rounds),
  };
  for await (const row of bench.run(options)) {
    rows.push(row);
    if (process.stderr.isTTY) process.stderr.write(`\r${bench.name}: ${rows.length} rows\r`);
  }
  results.push({ bench: bench.name, rows });
  if (!values.json) print(bench, rows);
}
if (values.json) console.log(JSON.stringify({ machine, results }, null, 2));

function print(bench: Bench, rows: readonly Row[]): void {
  const table = new Table({ head: [...bench.columns], style: { head: [], border: [] } });
  for (const row of rows) table.push(bench.columns.map((column) => row[column] ?? ''));
  console.log(`\n${bench.name}: ${bench.shows}\n${table}`);
}
