// One call of the program of the transition property, and what the model says it must answer. The program:
//
//   solo(how, id)          pauses; answers its version
//   both(how, id)          asks f; pauses; asks g; answers version of `both` * 10 000 + version of f * 100 + version of g
//   outer(how, inner, id)  pauses; then both(inner, id). No patch changes it
//
// To pause is to do nothing, to call the host, which may do whatever it likes, or to sleep until a promise settles.

export type FunctionName = 'both' | 'f' | 'g' | 'solo';

export const pauses = ['plain', 'host', 'sleep'] as const;
export type Pause = (typeof pauses)[number];

/** Which function pauses: what the program tells the host. */
export const places = ['outer', 'both', 'solo'] as const;
export type Place = (typeof places)[number];

export interface Entry {
  readonly place: Place;
  readonly how: Pause;
  /** How `both` pauses where `outer` calls it. */
  readonly inner: Pause;
}

/** The model's version of a function, at this moment. */
type Ask = (name: FunctionName) => number;

export class Activation {
  readonly id: number;
  readonly instance: number;
  readonly entry: Entry;
  /** What is on its stack; f and g never pause. */
  frames: Place[] = [];
  /** It may see old and new: its instance was switched under it, which somebody asked for. */
  mayMix = false;
  readonly #ask: Ask;
  #answer = { own: 0, f: 0, g: 0 };

  constructor(id: number, instance: number, entry: Entry, ask: Ask) {
    this.id = id;
    this.instance = instance;
    this.entry = entry;
    this.#ask = ask;
    this.frames.push(entry.place);
    if (entry.place === 'solo') this.#answer.own = ask('solo');
    else if (entry.place === 'both') this.#enterBoth(entry.how);
    else if (entry.how === 'plain') this.resume('outer');
  }

  get sleeps(): boolean {
    const { place, how, inner } = this.entry;
    return how === 'sleep' || (place === 'outer' && inner === 'sleep');
  }

  /** It goes on after a pause. */
  resume(place: Place): void {
    if (place === 'both') this.#answer.g = this.#ask('g');
    if (place !== 'outer') return;
    this.frames.push('both');
    this.#enterBoth(this.entry.inner);
  }

  #enterBoth(pause: Pause): void {
    this.#answer = { own: this.#ask('both'), f: this.#ask('f'), g: 0 };
    if (pause === 'plain') this.resume('both');
  }

  /** What it must answer. @throws where old and new have met in it */
  get answer(): number {
    const { own, f, g } = this.#answer;
    if (this.entry.place === 'solo') return own;
    if (f !== g && !this.mayMix) throw new Error(`activation ${this.id} has seen f ${f} and g ${g}`);
    return own * 10_000 + f * 100 + g;
  }
}

const pause = (how: string, place: Place): string =>
  `(call $pause (local.get ${how}) (i32.const ${places.indexOf(place)}) (local.get $id))`;

/** The program's functions in one version, for the program and for patches alike. */
export const functionsInWat = (version: number): Readonly<Record<FunctionName, string>> => ({
  f: `(func $f (export "f") (result i32) (i32.const ${version}))`,
  g: `(func $g (export "g") (result i32) (i32.const ${version}))`,
  solo: `(func $solo (export "solo") (param $how i32) (param $id i32) (result i32)
    ${pause('$how', 'solo')} (i32.const ${version}))`,
  both: `(func $both (export "both") (param $how i32) (param $id i32) (result i32)
    (i32.add (i32.const ${version * 10_000})
      (i32.add (i32.mul (call $ask_f) (i32.const 100))
        (block (result i32) ${pause('$how', 'both')} (call $ask_g)))))`,
});

export const programInWat = `(module
  (import "env" "host" (func $host (param i32 i32)))
  (import "env" "sleep" (func $sleep (param i32 i32)))
  (func $pause (param $how i32) (param $place i32) (param $id i32)
    (if (i32.eq (local.get $how) (i32.const 1)) (then (call $host (local.get $place) (local.get $id))))
    (if (i32.eq (local.get $how) (i32.const 2)) (then (call $sleep (local.get $place) (local.get $id)))))
  (func $ask_f (result i32) (call $f))
  (func $ask_g (result i32) (call $g))
  ${Object.values(functionsInWat(0)).join('\n')}
  (func $outer (export "outer") (param $how i32) (param $inner i32) (param $id i32) (result i32)
    ${pause('$how', 'outer')} (call $both (local.get $inner) (local.get $id))))`;

/** A patch that replaces these functions. */
export function patchInWat(version: number, functions: readonly FunctionName[]): string {
  return `(module
    (import "target" "pause" (func $pause (param i32 i32 i32)))
    (import "target" "ask_f" (func $ask_f (result i32)))
    (import "target" "ask_g" (func $ask_g (result i32)))
    ${functions.map((name) => functionsInWat(version)[name]).join('\n')})`;
}
