// Where instances come from.

export { type Instantiated, type InstantiateOptions, instantiate } from './instantiate.ts';
export {
  type Invitation,
  joinGroup,
  type Member,
  ThreadGroup,
  type ThreadGroupOptions,
} from './threads/index.ts';
export type { RunOptions } from './wasi/protocol.ts';
export { type ProgramExit, runWasi, type WasiProcess } from './wasi/run.ts';
