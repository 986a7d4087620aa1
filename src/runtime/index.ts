// Inside the program: programs, instances, slots, transitions. Free of dependencies, since it lives in other people's processes.

export { defaultModel } from './consistency.ts';
export { defaultPatcher } from './default-patcher.ts';
export { Events } from './events.ts';
export type { InstanceHandle } from './handle.ts';
export type { Instance } from './instance.ts';
export { type LoadedPatch, loadPatch, matchPatch, otherBuild } from './loaded-patch.ts';
export * from './operations.ts';
export { type AdoptOptions, Patcher } from './patcher.ts';
export type { PlacesJson } from './places.ts';
export { type Heritage, type Program, programId } from './program.ts';
export { describeTransition } from './report.ts';
export type { ShadowCtor, ShadowDtor, ShadowVariables } from './shadow.ts';
export type { Stats } from './stats.ts';
export type { Transition, TransitionState } from './transition.ts';
export type { Agreement, Conflict, Coordination, Overview } from './transition-settings.ts';
