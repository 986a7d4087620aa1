// Run by test/engines.test.ts where the engine has JSPI: one activation is suspended inside a changed function, another one
// inside an unchanged one. Prints one JSON line.

import { story } from './story.ts';

interface Jspi {
  readonly promising: (f: unknown) => () => Promise<number>;
  readonly Suspending: new (f: () => Promise<void>) => WebAssembly.ImportValue;
}

const { promising, Suspending } = WebAssembly as unknown as Jspi;
const waiting: (() => void)[] = [];
const app = await story(
  `(module
    (import "env" "wait" (func $wait))
    (func $order (export "order") (result i32) (call $wait) (i32.const 1))
    (func $other (export "other") (result i32) (call $wait) (i32.const 2)))`,
  { env: { wait: new Suspending(() => new Promise((resolve) => waiting.push(resolve))) } },
);
const patch = await app.patch('fix', 'order', '(module (func (export "order") (result i32) (i32.const 9)))');
const seen: unknown[] = [];
const look = (): void => {
  app.patcher.pump(10_000);
  seen.push(app.patcher.blockingNow().map((b) => [b.state, b.functions]));
};

const other = promising(app.exports['other'])();
app.patcher.beginApply(patch);
look();
await app.patcher.revert();
const order = promising(app.exports['order'])();
const applied = app.patcher.apply(patch);
look();
for (const go of waiting) go();
seen.push(await other, await order, (await applied).complete, app.exports['order']());
console.log(JSON.stringify(seen));
