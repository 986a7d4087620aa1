// kpatch's cases that become a patch: the edits of the kernel, what the patch replaces and brings, and what is seen.

import { expect } from 'vitest';
import type { Edit } from '../support/kpatch.ts';
import type { BuildChoices } from '../support/two-builds.ts';

/** A look at the running kernel. The same looks, one after the other, show whether it keeps its state. */
export type Look = (kernel: Kernel) => unknown;

export interface Kernel {
  call(name: string, ...args: number[]): number;
  /** What an export returns, as a C string. */
  text(name: string, ...args: number[]): string;
}

export interface Case {
  readonly edits: readonly Edit[];
  readonly replaced: readonly string[];
  readonly added?: readonly string[];
  readonly choices?: BuildChoices;
  readonly look: Look;
  /** What is seen before, with and after the patch. */
  readonly seen: readonly [before: unknown, patched: unknown, after: unknown];
}

export const cases: Readonly<Record<string, Case>> = {
  '38 meminfo-string, 112 clang-lstr': {
    edits: [['return "VmallocChunk"', 'return "VMALLOCCHUNK"']],
    replaced: ['meminfo'],
    look: (k) => k.text('meminfo'),
    seen: ['VmallocChunk', 'VMALLOCCHUNK', 'VmallocChunk'],
  },
  '39 cmdline-string: a call of another function': {
    edits: [['return seq_puts(x) * 2', 'return seq_printf(x) * 2 + 1']],
    replaced: ['cmdline'],
    look: (k) => [k.call('cmdline', 1), k.call('version', 1), k.call('dispatch', 3, 1)],
    seen: [
      [4, 2002, 4],
      [2003, 2002, 2003],
      [4, 2002, 4],
    ],
  },
  '40 data-new: a static variable with a value': {
    edits: [
      [
        'EXPORT(meminfo_proc_show) int meminfo_proc_show(int x) { return x; }',
        'static int foo = 5; EXPORT(meminfo_proc_show) int meminfo_proc_show(int x) { return x + foo++; }',
      ],
    ],
    replaced: ['meminfo_proc_show'],
    look: (k) => [k.call('meminfo_proc_show', 1), k.call('meminfo_proc_show', 1)],
    seen: [
      [1, 1],
      [6, 7],
      [1, 1],
    ],
  },
  '41 data-read-mostly: data in a section of its own stays': {
    edits: [['return read_mostly + x', 'return read_mostly + x + 1000']],
    replaced: ['use_read_mostly'],
    look: (k) => {
      const found = k.call('use_read_mostly', 0);
      k.call('set_read_mostly', (found % 1000) + 1);
      return found;
    },
    seen: [7, 1008, 9],
  },
  '42 new-function: the body moves to a new one': {
    edits: [
      ['EXPORT(n_tty_write) int n_tty_write(int n) {\n  int', 'static NOINLINE int do_write(int n) {\n  int'],
      [
        'sum += seq_puts(i);\n  return sum;\n}',
        'sum += seq_puts(i) + 1;\n  return sum;\n}\nEXPORT(n_tty_write) int n_tty_write(int n) { return do_write(n) * 10; }',
      ],
    ],
    replaced: ['n_tty_write'],
    added: ['do_write'],
    look: (k) => k.call('n_tty_write', 4),
    seen: [10, 140, 10],
  },
  '43 new-globals, 45 module-call-external: a new function of one file, called from two': {
    edits: [
      ['int shared_total(void);', 'int shared_total(void);\nint kpatch_new(int);'],
      ['return x * 5', 'return kpatch_new(x) * 5'],
      [
        'int shared_total(void) { return total; }',
        'int shared_total(void) { return kpatch_new(total); }\nNOINLINE int kpatch_new(int x) { return x + 7 + (total & 0); }',
      ],
    ],
    replaced: ['cmdline_proc_init', 'shared_total'],
    added: ['kpatch_new'],
    look: (k) => [k.call('cmdline_proc_init', 1), k.call('sum')],
    seen: [
      [5, 5000],
      [40, 5007],
      [5, 5000],
    ],
  },
  '49 macro-printk: a changed macro in three files': {
    edits: [
      ['int shared_total(void);', 'int shared_total(void);\n#define LOG(n) ((n) + 10000)'],
      ['{ return total + shared_total(); }', '{ return LOG(total) + shared_total(); }'],
      [
        '{ return total = step(total) + x; }\nint shared',
        '{ return total = step(LOG(total)) + x; }\nint shared',
      ],
      ['return ++count; }\nEXPORT(count_b)', 'return LOG(++count); }\nEXPORT(count_b)'],
    ],
    replaced: ['count_a', 'second_step', 'sum'],
    look: (k) => [k.call('count_a'), k.call('count_b'), k.call('second_step', 1), k.call('sum')],
    seen: [
      [101, 201, 2003, 5003],
      [10102, 202, 12006, 25006],
      [103, 203, 12009, 15009],
    ],
  },
  '51-55 tables of changed functions: br_table': {
    edits: [['case 4: return -x;', 'case 4: return ~x;\n    case 6: return x << 4;']],
    replaced: ['dispatch'],
    look: (k) => [0, 1, 2, 3, 4, 5, 6, 7].map((op) => k.call('dispatch', op, 3)),
    seen: [
      [4, 1003, 9, 8, -3, 2006, 0, 0],
      [4, 1003, 9, 8, -4, 2006, 48, 0],
      [4, 1003, 9, 8, -3, 2006, 0, 0],
    ],
  },
  '51-55 tables of changed functions: a switch that is a table of constants': {
    edits: [['case 3: return 26;', 'case 3: return 62;']],
    replaced: ['weekday'],
    look: (k) => [2, 3, 4, 9].map((day) => k.call('weekday', day)),
    seen: [
      [59, 26, 53, 0],
      [59, 62, 53, 0],
      [59, 26, 53, 0],
    ],
  },
  '56-58 compiler clones: the constant that was propagated into a function changes': {
    edits: [['return clone(x, 3)', 'return clone(x, 4)']],
    replaced: ['clone'],
    look: (k) => k.call('use_clone', 1),
    seen: [6, 8, 6],
  },
  '56-58 compiler clones: the signature of a static function changes': {
    edits: [['return clone(x, 3)', 'return clone(x, 3) + clone(x, x)']],
    replaced: ['use_clone'],
    added: ['clone'],
    look: (k) => k.call('use_clone', 2),
    seen: [9, 15, 9],
  },
  '59-61 static local variables keep their values': {
    edits: [
      ['static int count = 100; return ++count;', 'static int count = 100; count += 10; return count;'],
    ],
    replaced: ['count_a'],
    look: (k) => [k.call('count_a'), k.call('count_b')],
    seen: [
      [101, 201],
      [111, 202],
      [112, 203],
    ],
  },
  '62-64 a static local variable of a function that is inlined twice': {
    edits: [['return twin() * 10;', 'return twin() * 10 + 1;']],
    replaced: ['twin_a'],
    look: (k) => [k.call('twin_a'), k.call('twin_b')],
    seen: [
      [10, 200],
      [31, 400],
      [50, 600],
    ],
  },
  '65, 66 special-static, 113 clang-special-static: __func__ and a flag': {
    edits: [['if (x < 0) warned++;', 'if (x < -1) warned++;']],
    replaced: ['where'],
    look: (k) => [k.text('where', -1), k.text('where', 1)],
    seen: [
      ['where', 'warned'],
      ['where', 'warned'],
      ['where', 'warned'],
    ],
  },
  '67 replace-section-references: addresses inside an array': {
    edits: [
      ['return &table[3]', 'return &table[5]'],
      ['return ++table[i - 1]', 'return ++table[i - 2]'],
    ],
    replaced: ['middle', 'pick'],
    look: (k) => [k.call('middle') % 16, k.call('pick', 4)],
    seen: [
      [expect.any(Number), 5],
      [expect.any(Number), 4],
      [expect.any(Number), 6],
    ],
  },
  '69 rebuild: everything moves, one function changes': {
    edits: [
      [
        'NOINLINE int seq_puts',
        'EXPORT(early) int early(int x) { static int a[100] = {1}; a[x & 31] += x * 1234567; return a[x & 63] * 3; }\nNOINLINE int seq_puts',
      ],
      ['return x * 5', 'return x * 6'],
    ],
    replaced: ['cmdline_proc_init'],
    look: (k) => k.call('cmdline_proc_init', 1),
    seen: [5, 6, 5],
  },
  '79, 80 cold-add, 82 cold-change-sub: a cold function': {
    edits: [['cold_calls += x; }', 'cold_calls += 2 * x; }']],
    replaced: ['cold_path'],
    look: (k) => [k.call('parent', 2000), k.call('cold_count'), k.call('parent', 1)],
    seen: [
      [-1, 8006, 2],
      [-1, 24018, 2],
      [-1, 32024, 2],
    ],
  },
  '81 cold-change-parent, 83 cold-del-sub': {
    edits: [['cold_path(x + 3);\n    return -1;', 'return -2;']],
    replaced: ['parent'],
    look: (k) => [k.call('parent', 2000), k.call('cold_count'), k.call('parent', 1)],
    seen: [
      [-1, 8006, 2],
      [-2, 14009, 2],
      [-1, 22015, 2],
    ],
  },
  '86 convert-global-local': {
    edits: [
      [
        'NOINLINE int scope(int x) { return seq_puts(x) ^ 1; }',
        'static NOINLINE int scope(int x) { return seq_puts(x) ^ 2; }',
      ],
    ],
    replaced: ['scope'],
    look: (k) => k.call('use_scope', 1),
    seen: [4, 1, 4],
  },
  '87 function-ptr-new: pointers to an old and to a new function, kept by the program': {
    edits: [
      ['registered = x ? seq_puts : 0;', 'registered = x == 1 ? seq_puts : x == 2 ? scope : x ? fresh : 0;'],
      [
        'typedef int (*handler)(int);',
        'typedef int (*handler)(int);\nstatic int fresh(int x) { return seq_puts(x) + 500; }',
      ],
    ],
    replaced: ['set_handler'],
    added: ['fresh'],
    look: (k) => {
      const kept = k.call('call_handler', 5);
      return [
        kept,
        ...[1, 2, 3].map((which) => [k.call('set_handler', which), k.call('call_handler', 5)][1]),
      ];
    },
    seen: [
      [-1, 6, 6, 6],
      [6, 6, 7, 506],
      // The reverted patch stays: the program still holds a pointer to its function.
      [506, 6, 6, 6],
    ],
  },
  '88 multifile-pr-1204: static names that two files share': {
    edits: [
      [
        'static NOINLINE int step(int x) { return x + 3; }',
        'static NOINLINE int step(int x) { return x + 30; }',
      ],
      ['EXPORT(sum) int sum(void) { return total +', 'EXPORT(sum) int sum(void) { return 100000 + total +'],
    ],
    replaced: ['step', 'sum'],
    look: (k) => [k.call('second_step', 1), k.call('third_step', 1), k.call('sum')],
    seen: [
      [2003, 3004, 5007],
      [2006, 3035, 105041],
      [2009, 3039, 5048],
    ],
  },
  '88 one of several static names goes, another comes': {
    edits: [
      // second.c loses its `step`, kernel.c gains one: the third stays what it was.
      ['static NOINLINE int step(int x) { return x + 2; }\n', ''],
      ['return total = step(total) + x; }\nint shared', 'return total = total + 2 + x; }\nint shared'],
      [
        'EXPORT(cmdline_proc_init) int cmdline_proc_init(int x) { return x * 5; }',
        'static NOINLINE int step(int x) { return seq_puts(x) * 5; }\nEXPORT(cmdline_proc_init) int cmdline_proc_init(int x) { return step(x); }',
      ],
    ],
    replaced: ['cmdline_proc_init', 'second_step'],
    added: ['step'],
    look: (k) => [k.call('cmdline_proc_init', 1), k.call('second_step', 1), k.call('third_step', 1)],
    seen: [
      [5, 2003, 3004],
      [10, 2006, 3008],
      [5, 2009, 3012],
    ],
  },
  '91 static-local-moved-subfunction: a moved variable is a new one': {
    edits: [
      [
        'EXPORT(moved) int moved(void) { static int calls = 0; return ++calls; }',
        'static NOINLINE int sub(void) { static int calls = 0; return ++calls; }\nEXPORT(moved) int moved(void) { return sub() + 100; }',
      ],
    ],
    replaced: ['moved'],
    added: ['sub'],
    look: (k) => [k.call('moved'), k.call('moved')],
    seen: [
      [1, 2],
      [101, 102],
      [3, 4],
    ],
  },
  '106 zero-page-rela: the address of what nobody defines': {
    edits: [['return &absent != 0', 'return 5 + (&absent != 0)']],
    replaced: ['has_absent'],
    look: (k) => k.call('has_absent'),
    seen: [0, 5, 0],
  },
  '107 sec-addralign: new data keeps its alignment': {
    edits: [
      [
        'EXPORT(aligned) int aligned(int i) { return i; }',
        `static char odd[3] = {1}; static _Alignas(256) int even[4] = {5};
         EXPORT(aligned) int aligned(int i) { odd[i]++; even[i]++; return (int)&even[i] % 256 + odd[i]; }`,
      ],
    ],
    replaced: ['aligned'],
    look: (k) => k.call('aligned', 0),
    seen: [0, 2, 0],
  },
  '108 data-rel: new data with pointers to program data, to own data, to functions': {
    edits: [
      [
        'EXPORT(run_op) int run_op(int i, int x) { return ops[i].run(x) + ++*ops[i].state;',
        `static int third_state = 30;
         static int third_run(int x) { return x * third_state; }
         static struct op more[2] = {{"third", third_run, &third_state}, {"fourth", seq_puts, &op_state}};
         static struct op *volatile all[2] = {ops, more};
         EXPORT(run_op) int run_op(int i, int x) {
           if (x > 100) return all[1][i].run(x) + ++*all[1][i].state + all[1][i].name[1];
           return all[0][i].run(x) + ++*all[0][i].state + 5000;`,
      ],
    ],
    replaced: ['run_op'],
    added: ['third_run'],
    look: (k) => [
      k.call('run_op', 0, 10),
      k.call('run_op', 1, 10),
      k.call('run_op', 0, 1000),
      k.call('run_op', 1, 1000),
    ],
    seen: [
      [13, 1013, 1005, 2005],
      [5017, 6017, 30000 + 31 + 104, 1001 + 8 + 111],
      [20, 1020, 1012, 2012],
    ],
  },
  '111 import-ns: a new import, allowed by its name': {
    edits: [['return clock_ms();', 'return clock_ms() + random_number();']],
    replaced: ['now'],
    choices: { allowImports: ['env.random'] },
    look: (k) => k.call('now'),
    seen: [1234, 5555, 1234],
  },
  '114 clang-unnamed: literals of a function': {
    edits: [
      ['{2, 3, 5, 7, 11, 13, 17, 19}', '{2, 3, 5, 7, 11, 13, 17, 190}'],
      ['return ++places[i & 3]', 'return 100 + ++places[i & 3]'],
    ],
    replaced: ['literal', 'unnamed'],
    look: (k) => [k.call('unnamed', 0), k.call('unnamed', 7), k.call('literal', 1)],
    seen: [
      [2, 19, 3],
      [2, 190, 104],
      [2, 19, 5],
    ],
  },
};
