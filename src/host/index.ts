// Where instances come from.

export { defaultPatcher, type Instantiated, type InstantiateOptions, instantiate } from './instantiate.ts';
