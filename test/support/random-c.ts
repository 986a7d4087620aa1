// Random C programs of many small functions, and random edits to them. Exported functions are weak, so that the compiler
// neither inlines them nor learns anything of them: what an edit changes is known exactly. Static ones are the compiler's.

export interface CFunction {
  readonly name: string;
  readonly exported: boolean;
  /** Statements on `a`, `b` and `t`; each has a number of its own in it, so that no two make the same code. */
  readonly statements: readonly string[];
}

export interface CProgram {
  readonly functions: readonly CFunction[];
  /** Declarations that stand before the functions. */
  readonly declarations: readonly string[];
}

export interface Edited {
  readonly program: CProgram;
  /** Names of the functions whose statements differ. */
  readonly edited: readonly string[];
}

/** Numbers below n from a seed, the same every time (mulberry32). */
export type Below = (n: number) => number;

export function random(seed: number): Below {
  let state = seed >>> 0;
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) % n;
  };
}

const variables = 6;
const arrays = 4;

export function randomC(below: Below, count: number): CProgram {
  const functions: CFunction[] = [writer];
  for (let i = 1; i < count; i += 1) {
    const exported = below(3) > 0;
    const statements = Array.from({ length: 2 + below(4) }, () => statement(below, functions));
    functions.push({ name: `f${i}`, exported, statements });
  }
  const ops = functions.filter((f) => f.exported).slice(0, 4);
  return {
    functions,
    declarations: [
      ...Array.from({ length: variables }, (_, i) => `static unsigned g${i} = ${below(1000)};`),
      ...Array.from(
        { length: arrays },
        (_, i) => `static ${types[i]} array${i}[8] = {${below(100)}, ${below(100)}};`,
      ),
      `static const unsigned primes[8] = {2, 3, 5, 7, 11, 13, 17, 19};`,
      'typedef unsigned (*op)(unsigned, unsigned);',
      `static op ops[4] = {${ops.map((f) => f.name).join()}};`,
    ],
  };
}

/** Writes every variable; one that nothing writes is a constant to the compiler, until an edit writes it. */
const writer: CFunction = {
  name: 'f0',
  exported: true,
  statements: [
    ...Array.from({ length: variables }, (_, i) => `g${i} += a * ${i + 1};`),
    ...Array.from({ length: arrays }, (_, i) => `array${i}[b & 7] += a;`),
  ],
};

const types = ['unsigned char', 'short', 'unsigned', 'long long'] as const;

let serial = 0;

/** A number that no other statement has. */
function unique(): number {
  serial += 1;
  return 1_000_003 + 2 * serial;
}

function statement(below: Below, callable: readonly CFunction[]): string {
  const e = (): string => expression(below, 2, callable);
  const k = unique();
  switch (below(7)) {
    case 0:
      return `if (${e()} & 1) t = t * ${k}u + ${e()}; else t ^= ${e()};`;
    case 1:
      return `g${below(variables)} = g${below(variables)} * ${k}u + (${e()});`;
    case 2:
      return `array${below(arrays)}[(${e()}) & 7] += t * ${k}u;`;
    case 3:
      return `for (unsigned i = 0; i < (b & 3); i++) t = t * ${k}u + (${e()});`;
    case 4:
      return `switch ((${e()}) & 7) { case 0: t += ${k}u; break; case 1: t = ${e()}; break; case 2: t ^= ${e()}; break; case 5: g0 += t; break; default: t--; }`;
    case 5:
      return `t += "${text(below)}"[(${e()}) & 7] * ${k}u;`;
    default:
      return `t = t * ${k}u + (${e()});`;
  }
}

function text(below: Below): string {
  return Array.from({ length: 8 }, () => String.fromCharCode(97 + below(26))).join('');
}

function expression(below: Below, depth: number, callable: readonly CFunction[]): string {
  const e = (): string => expression(below, depth - 1, callable);
  const callee = callable[below(Math.max(1, callable.length))];
  switch (depth === 0 ? below(4) : below(10)) {
    case 0:
      return 'a';
    case 1:
      return 'b';
    case 2:
      return `${below(100_000)}u`;
    case 3:
      return `g${below(variables)}`;
    case 4:
      return `array${below(arrays)}[(${e()}) & 7]`;
    case 5:
      return `primes[(${e()}) & 7]`;
    case 6:
      return callee === undefined ? 't' : `${callee.name}(${e()}, t)`;
    case 7:
      return `((${e()}) % ((${e()}) | 1))`;
    default:
      return `((${e()}) ${['+', '*', '^', '-', '|'][below(5)]} (${e()}))`;
  }
}

/** Edits some functions: statements go, change and come, with new variables, constants, functions and pointers to functions. */
export function edit(below: Below, program: CProgram, count: number, exportedOnly: boolean): Edited {
  const declarations = [...program.declarations];
  const chosen = new Set<number>();
  while (chosen.size < count) {
    const i = 1 + below(program.functions.length - 1);
    if (!exportedOnly || program.functions[i]?.exported === true) chosen.add(i);
  }
  const functions = program.functions.map((f, i): CFunction => {
    if (!chosen.has(i)) return f;
    const at = below(f.statements.length);
    const next = newStatement(below, program.functions.slice(0, i), declarations);
    const keep = below(2);
    return { ...f, statements: [...f.statements.slice(0, at), next, ...f.statements.slice(at + keep)] };
  });
  const edited = [...chosen].map((i) => program.functions[i]?.name ?? '');
  return { program: { functions, declarations }, edited };
}

function newStatement(below: Below, callable: readonly CFunction[], declarations: string[]): string {
  const e = (): string => expression(below, 2, callable);
  const k = unique();
  switch (below(6)) {
    case 0:
      return `{ static unsigned seen${k} = ${below(50)}; seen${k} += a; t = t * ${k}u + seen${k}; }`;
    case 1:
      declarations.push(
        `static ${types[below(4)]} table${k}[16] = {${text(below).replaceAll(/./g, (c) => `'${c}',`)}};`,
      );
      return `t = t * ${k}u + table${k}[b & 15]++ + table${k}[(${e()}) & 7];`;
    case 2:
      declarations.push(
        `static __attribute__((noinline)) unsigned added${k}(unsigned a, unsigned b) { unsigned t = a; ${statement(below, [])} return t + g1; }`,
      );
      return `t = t * ${k}u + added${k}(t, ${e()});`;
    case 3:
      declarations.push(
        `static unsigned one${k}(unsigned a, unsigned b) { return a - b; }`,
        `static op volatile either${k}[2] = {one${k}, ${callable.find((f) => f.exported)?.name ?? `one${k}`}};`,
      );
      return `t = t * ${k}u + either${k}[a & 1](t, ${e()});`;
    case 4:
      // The functions behind `ops` must not come back to where they are called from.
      if (callable.filter((f) => f.exported).length < 4) return statement(below, callable);
      return `t = t * ${k}u + ops[b & 3](1, 2) * (ops[0] == ops[1]) + "${text(below)}"[a & 7];`;
    default:
      return statement(below, callable);
  }
}

export function showC({ functions, declarations }: CProgram): string {
  const heads = functions.map((f) =>
    f.exported
      ? `__attribute__((weak, export_name("${f.name}"))) unsigned ${f.name}(unsigned a, unsigned b)`
      : `static unsigned ${f.name}(unsigned a, unsigned b)`,
  );
  return [
    ...heads.map((head) => `${head};`),
    ...declarations,
    ...functions.map(
      (f, i) => `${heads[i]} { unsigned t = a;\n  ${f.statements.join('\n  ')}\n  return t; }`,
    ),
    '',
  ].join('\n');
}

/**
 * Whose code an edit may change: the edited functions', and that of callers into which the compiler inlines: of edited static
 * functions, and of static functions that now have more callers, or fewer.
 */
export function mayChange(old: CProgram, next: CProgram, edited: readonly string[]): Set<string> {
  const inlined = old.functions.filter((f) => !f.exported).map((f) => f.name);
  const all = [...old.functions, ...next.functions];
  const calls = (f: CFunction, callee: string): boolean => f.statements.some((s) => s.includes(`${callee}(`));
  const found = new Set(edited);
  for (let before = 0; before < found.size; ) {
    before = found.size;
    for (const f of all) {
      const callees = inlined.filter((name) => calls(f, name));
      if (found.has(f.name)) for (const name of callees) found.add(name);
      else if (callees.some((name) => found.has(name))) found.add(f.name);
    }
  }
  return found;
}
