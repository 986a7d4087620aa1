// Threads that share one memory, patched as one.

export { type Admitted, ThreadGroup, type ThreadGroupOptions } from './group.ts';
export { joinGroup, Member } from './member.ts';
export type { FromThread, GroupState, Invitation, Mirror, ToThread } from './protocol.ts';
export { isSameMemory } from './same-memory.ts';
export { Wire } from './wire.ts';
