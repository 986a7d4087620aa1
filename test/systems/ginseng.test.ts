// Ginseng (I. Neamtiu, M. Hicks, G. Stoyle, M. Oriol, "Practical dynamic software updating for C", PLDI 2006).
//
// What it could do: make most of a patch from two versions of a C program, types included, and keep types consistent while it
// goes in. Code that uses a type concretely must never meet two representations of it: an update is delayed at points after which
// an active function still does, and allowed where active functions only pass its values along (con-freeness, by analysis).
// Values are converted lazily: each carries a version tag, and whoever uses it first calls the type transformer.
//
// Here: a patch from two builds. A struct that grows is refused, as live ones have no room: Ginseng compiles padding into every
// type, here the new representation is a shadow variable. Its constructor is the type transformer; that it is there is the
// version tag. Functions that use the old fields are changed ones, so `leave-set` waits for them and for no others:
// con-freeness by a look at the stack. Transformers, and that no user of an old field was forgotten, are the author's part.

import { beforeAll, describe, expect, test } from 'vitest';
import { buildPatchFromBuilds } from '../../src/build/index.ts';
import { wgraftHeader } from '../../src/build/wgraft-header.ts';
import { type Story, story } from '../support/story.ts';
import { type Builds, compileDiff, everySlot, macros } from '../support/two-builds.ts';

const accounts = `${macros}
#include <stdlib.h>
+#include "wgraft.h"
__attribute__((import_module("env"), import_name("wait"))) void wait_for_bank(void);
+__attribute__((import_module("env"), import_name("converted"))) void converted(int id);
struct account { int id, cents; };
+// version 2 of the amount, in thousandths
+enum { AMOUNT = 1 };
+static int to_version_2(void *account, void *millis, void *unused) {
+  struct account *old = account;
+  converted(old->id);
+  *(long long *)millis = 10LL * old->cents;
+  return 0;
+}
+NOINLINE static long long *millis(struct account *a) {
+  return wgraft_shadow_get_or_alloc(a, AMOUNT, sizeof(long long), to_version_2, 0);
+}
EXPORT(open) struct account *open_account(int id, int cents) {
  struct account *a = malloc(sizeof *a);
  a->id = id;
  a->cents = cents;
  return a;
}
// Both use the type concretely. audit answers what came in while it waited.
-EXPORT(add) int add(struct account *a, int cents) { return a->cents += cents; }
-EXPORT(audit) int audit(struct account *a) { int was = a->cents; wait_for_bank(); return a->cents - was; }
+EXPORT(add) int add(struct account *a, int cents) { return *millis(a) += 10LL * cents; }
+EXPORT(audit) int audit(struct account *a) { int was = *millis(a); wait_for_bank(); return *millis(a) - was; }
// Only passes it along.
EXPORT(transfer) int transfer(struct account *from, struct account *to, int cents) {
  add(from, -cents);
  wait_for_bank();
  return add(to, cents);
}
`;

// What a programmer would write first: the type itself changes.
const grown = `${macros}
struct account {
  int id, cents;
+  long long millis;
};
static struct account accounts[1];
EXPORT(first) struct account *first(void) { return accounts; }
-EXPORT(add) int add(struct account *a, int cents) { return a->cents += cents; }
+EXPORT(add) int add(struct account *a, int cents) { return a->millis += 10LL * cents; }
`;

let builds: Builds;
let patch: Uint8Array;
beforeAll(async () => {
  builds = await compileDiff(accounts, { flags: ['-g'], files: { 'wgraft.h': wgraftHeader } });
  const choices = { ...everySlot, model: 'leave-set', allowImports: ['env.converted'] } as const;
  const built = await buildPatchFromBuilds({ ...builds, ...choices, name: 'millis' });
  expect(built.report.functions.map((f) => f.name).sort()).toEqual(['add', 'audit']);
  patch = built.bytes;
});

interface Bank {
  readonly app: Story;
  /** Calls an export; the patch is applied while it waits for the bank, and then something else happens meanwhile. */
  during(name: string, args: readonly number[], meanwhile: () => void, model?: 'immediate'): number;
  /** Accounts whose amount was converted since it was last asked. */
  converted(): number[];
}

async function bank(): Promise<Bank> {
  const ids: number[] = [];
  const host = { wait: (): void => {} };
  const converted = (id: number): void => void ids.push(id);
  const app = await story(builds.old, { env: { wait: () => host.wait(), converted } });
  app.log();
  return {
    app,
    during(name, args, meanwhile, model) {
      host.wait = () => {
        host.wait = () => {};
        app.patcher.beginApply(patch, model === undefined ? {} : { model });
        app.pump();
        meanwhile();
      };
      return app.exports[name](...args);
    },
    converted: () => ids.splice(0),
  };
}

const applied = [
  'apply millis: initializing',
  'apply millis: starting',
  'instance 1 -> universe 1',
  'apply millis: completing',
  'apply millis: complete',
];

// - an account would get another field: those that are open have no room for it, so that there is no such patch
test('a type that grows is refused: live data has no room for it', async () => {
  const types = await compileDiff(grown, { flags: ['-g', '-nostdlib'] });
  await expect(buildPatchFromBuilds({ ...types, ...everySlot, name: 'grown' })).rejects.toMatchObject({
    code: 'WGRAFT_ERR_LAYOUT_CHANGED',
    details: {
      struct: 'struct account',
      fields: ['it grew at its end from 8 to 16 bytes: objects that are alive have no room for "millis"'],
    },
  });
});

describe('an update of a type', () => {
  // - three accounts are open; a transfer from the first to the second is under way, which only passes them along: the update
  //   goes in at once, between an old add and a new one, and converts nothing
  // - the transfer goes on, and uses the second account: that is converted; the first one at its next use, and not again
  // - so are the third, much later, and one that was opened after the update by unchanged code
  test('goes in while active functions only pass it along, and converts each value at its first use', async () => {
    const { app, during, converted } = await bank();
    const { open, add, transfer } = app.exports;
    const [a, b, c] = [1, 2, 3].map((id) => open(id, 100));
    const seen: unknown[] = [];
    const total = during('transfer', [a, b, 30], () => seen.push(app.states(), converted()));
    expect([...seen, total, converted()]).toEqual([[-1], [], 1300, [2]]);
    expect([add(a, 1), add(a, 1), converted()]).toEqual([710, 720, [1]]);
    expect([transfer(a, b, 5), converted()]).toEqual([1350, []]);
    expect([add(c, 0), add(open(4, 7), 0), converted()]).toEqual([1000, 70, [3, 4]]);
    expect(app.log()).toEqual(applied);
  });

  // - an audit is under way, which has read the old representation and will again: the update is delayed, and says for whom
  // - what comes in meanwhile comes in the old representation; when audit has returned, the update goes in
  test('is delayed while an active function uses it concretely', async () => {
    const { app, during, converted } = await bank();
    const { open, add, audit } = app.exports;
    const account = open(1, 100);
    const seen: unknown[] = [];
    const came = during('audit', [account], () => {
      seen.push(
        app.patcher.blockingNow().map((b) => b.functions),
        add(account, 5),
      );
    });
    expect([...seen, came, converted()]).toEqual([[['audit']], 105, 5, []]);
    app.pump();
    expect([audit(account), add(account, 0), converted()]).toEqual([0, 1050, [1]]);
    expect(app.log()).toEqual(applied);
  });

  // - the same without waiting: while the old audit is active, the new add converts; audit reads a field that is no longer kept
  test('would mix two representations if it did not wait', async () => {
    const { app, during, converted } = await bank();
    const account = app.exports['open'](1, 100);
    const came = during('audit', [account], () => app.exports['add'](account, 5), 'immediate');
    expect([came, converted()]).toEqual([0, [1]]);
    expect(app.log()).toEqual(applied);
  });
});
