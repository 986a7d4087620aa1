// PoDUS, the Procedure-Oriented Dynamic Update System (M. E. Segal, O. Frieder, "Dynamic program updating: a software
// maintenance technique for minimizing software downtime", 1989; "On-the-fly program modification: systems for dynamic
// updating", IEEE Software 10(2), 1993).
//
// What it could do: replace a program procedure by procedure while it runs. A procedure is replaced only while it is inactive,
// which a look at the run-time stack decides, and after those that its new version calls: bottom-up. Where a procedure's
// parameters change, an interprocedure of the old name and type stands between old callers and the new procedure.
//
// Here: one patch a procedure, the activeness check of `leave-set`, and a replacement that has the old type and calls new code.

import { expect, test } from 'vitest';
import { story } from '../support/story.ts';

const program = `(module
  (import "env" "work" (func $work))
  (import "env" "tick" (func $tick))
  (func $price (export "price") (param $item i32) (result i32) (i32.mul (local.get $item) (i32.const 10)))
  (func $total (export "total") (param $items i32) (result i32) (local $sum i32)
    (loop $next
      (local.set $sum (i32.add (local.get $sum) (call $price (local.get $items))))
      (br_if $next (local.tee $items (i32.sub (local.get $items) (i32.const 1)))))
    (local.get $sum))
  (func $report (export "report") (param $items i32) (result i32)
    (call $work) (call $total (local.get $items)))
  ;; Never ends, as far as PoDUS can tell: two reports in one activation.
  (func (export "run") (result i32) (local $first i32)
    (local.set $first (call $report (i32.const 3)))
    (call $tick)
    (i32.add (i32.mul (local.get $first) (i32.const 10000)) (call $report (i32.const 3)))))`;

// The new version: prices are in a currency, and 5 more in currency 1; reports end in a 9.
const priceIn = `(func $price_in (param $item i32) (param $currency i32) (result i32)
  (i32.add (i32.mul (local.get $item) (i32.const 10)) (i32.mul (local.get $currency) (i32.const 5))))`;

const procedures = {
  // The interprocedure: callers that know no currency mean the old one, 0.
  price: `(module ${priceIn}
    (func (export "price") (param $item i32) (result i32) (call $price_in (local.get $item) (i32.const 0))))`,
  total: `(module ${priceIn}
    (func (export "total") (param $items i32) (result i32) (local $sum i32)
      (loop $next
        (local.set $sum (i32.add (local.get $sum) (call $price_in (local.get $items) (i32.const 1))))
        (br_if $next (local.tee $items (i32.sub (local.get $items) (i32.const 1)))))
      (local.get $sum)))`,
  report: `(module
    (import "target" "total" (func $total (param i32) (result i32)))
    (import "target" "work" (func $work))
    (func (export "report") (param $items i32) (result i32)
      (call $work) (i32.add (i32.mul (call $total (local.get $items)) (i32.const 10)) (i32.const 9))))`,
} as const;

// - run: the first report is at work. price, inactive, is replaced at once, and old callers go on through its interprocedure
// - total, inactive, is replaced after it; report is active: it must wait, and says so
// - the old report ends on the new total; at the program's next call of its host report is inactive, and replaced
// - run has not returned all along: the second report is a new one
test('procedures are replaced bottom-up, each when it is inactive, while the program runs', async () => {
  const during: Record<string, unknown> = {};
  const host = { work: (): void => {}, tick: (): void => {} };
  const app = await story(program, { env: { work: () => host.work(), tick: () => host.tick() } });
  const patches = {
    price: await app.patch('price', 'price', procedures.price),
    total: await app.patch('total', 'total', procedures.total),
    report: await app.patch('report', 'report', procedures.report),
  };
  app.log();
  const replace = (name: keyof typeof patches): void => {
    app.patcher.beginApply(patches[name], { model: 'leave-set' });
    app.patcher.pump(10_000);
  };
  expect(app.exports['run']()).toBe(60_0060);

  host.work = () => {
    host.work = () => {};
    replace('price');
    during['total, old, through the interprocedure'] = app.exports['total'](3);
    replace('total');
    during['total, new'] = app.exports['total'](3);
    replace('report');
    during['blocking'] = app.patcher.blockingNow().map(({ functions, stack }) => ({ functions, stack }));
  };
  host.tick = () => app.patcher.pump(10_000);
  expect(app.exports['run']()).toBe(75_0759);
  expect(during).toEqual({
    'total, old, through the interprocedure': 60,
    'total, new': 75,
    blocking: [{ functions: ['report'], stack: ['run', 'report'] }],
  });
  const done = (name: string, universe: number): string[] => [
    `apply ${name}: initializing`,
    `apply ${name}: starting`,
    `instance 1 -> universe ${universe}`,
    `apply ${name}: completing`,
    `apply ${name}: complete`,
  ];
  expect(app.log()).toEqual([...done('price', 1), ...done('total', 2), ...done('report', 3)]);
});

// - the same procedures without the check: report is replaced under its own feet, and old callers meet new code half-way
// - this is what PoDUS' check is for: here the old report, active, would have been counted as replaced
test('without the activeness check an active procedure counts as replaced while its old code still runs', async () => {
  const host = { work: (): void => {} };
  const app = await story(program, { env: { work: () => host.work(), tick: () => {} } });
  const report = await app.patch('report', 'report', procedures.report);
  const states = (): unknown => app.patcher.statusNow().programs[0]?.patches.map((p) => p.state);
  const seen: unknown[] = [];
  for (const model of ['leave-set', 'immediate'] as const) {
    host.work = () => {
      host.work = () => {};
      app.patcher.beginApply(report, { model });
      app.patcher.pump(10_000);
      seen.push([model, states()]);
    };
    seen.push(app.exports['run']());
    await expect.poll(states).toEqual(['applied']);
    await app.patcher.revert('report');
  }
  expect(seen).toEqual([['leave-set', ['applying']], 60_0060, ['immediate', ['applied']], 60_0609]);
});
