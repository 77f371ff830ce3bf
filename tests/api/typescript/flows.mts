// All flows, by the names that their Python sisters have in tests/api/sdk/flows.py.
import * as agents from './flows_agents.mjs';
import * as answers from './flows_answers.mjs';
import * as environments from './flows_environments.mjs';
import * as errors from './flows_errors.mjs';
import * as events from './flows_events.mjs';
import * as interrupts from './flows_interrupts.mjs';
import * as sessions from './flows_sessions.mjs';
import * as threads from './flows_threads.mjs';

const FAMILIES = { agents, environments, sessions, events, threads, answers, interrupts, errors };

export const FLOWS: Record<string, () => Promise<void>> = Object.fromEntries(
  Object.entries(FAMILIES).flatMap(([family, { FLOWS }]) =>
    FLOWS.map((flow) => [`${family}/${pythonic(flow.name)}`, flow]),
  ),
);

/** aFlowLikeThis as a_flow_like_this. */
function pythonic(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
