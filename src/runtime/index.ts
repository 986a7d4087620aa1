// Inside the program: programs, instances, slots, transitions. Free of dependencies, since it lives in other people's processes.

export { Events } from './events.ts';
export { type LoadedPatch, loadPatch, matchPatch, otherBuild } from './loaded-patch.ts';
export * from './operations.ts';
export { type AdoptOptions, describeTransition, type InstanceHandle, Patcher } from './patcher.ts';
export type { ShadowCtor, ShadowDtor, ShadowVariables } from './shadow.ts';
export type { Transition, TransitionState } from './transition.ts';
