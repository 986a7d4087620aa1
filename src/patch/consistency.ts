// The consistency models by name; what each means is in src/runtime/consistency.ts.

export const consistencyModels = [
  'hybrid',
  'leave-set',
  'leave-kernel',
  'stop-machine',
  'checkpoint',
  'immediate',
  'safe-point',
] as const;

export type ConsistencyModel = (typeof consistencyModels)[number];
