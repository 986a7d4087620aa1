// Run by test/engines.test.ts on each supported Node: one life of a patch, and what the engine shows of its stack.
// Prints one JSON line.

import { canSeeFrames } from '../../src/runtime/activeness.ts';
import { story } from './story.ts';

let pause = (): void => {};
const app = await story(
  `(module
    (import "env" "pause" (func $pause))
    (func $price (export "price") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
    (func $order (export "order") (param i32) (result i32) (call $pause) (call $price (local.get 0))))`,
  { env: { pause: () => pause() } },
);
const patch = await app.patch(
  'discount',
  ['price', 'order'],
  `(module
    (import "original" "price" (func $price (param i32) (result i32)))
    (func (export "price") (param i32) (result i32) (i32.sub (call $price (local.get 0)) (i32.const 1)))
    (func (export "order") (param i32) (result i32) (i32.const -1)))`,
);
const order = app.exports['order'] as (n: number) => number;
const seen: unknown[] = [canSeeFrames(), order(10)];
pause = () => {
  app.patcher.beginApply(patch);
  app.patcher.pump();
  seen.push(app.patcher.blockingNow().map((b) => [b.functions, b.stack]));
};
seen.push(order(10));
pause = () => {};
await new Promise((resolve) => setTimeout(resolve, 100));
seen.push(order(10), app.exports['price'](10));
await app.patcher.revert();
seen.push(order(10), app.exports['price'](10), app.log());
console.log(JSON.stringify(seen));
