// Threads: delegations as clients see them, on the session's stream and on the child's own.
import assert from 'node:assert/strict';
import Anthropic from '@anthropic-ai/sdk';
import { WAIT, call, say, script } from './script.mjs';
import * as w from './world.mjs';

/** A session of a coordinator with one reader. */
export async function team() {
  const reader = await w.agent({ name: 'reader', tools: [w.TOOLSET] });
  return w.session(await w.agent({ name: 'lead', multiagent: { type: 'coordinator', agents: [reader.id] } }));
}

/** The coordinator has the reader do this, and reports. */
export const delegating = (...replies: Parameters<typeof script>): string =>
  script(call('reader', { task: script(...replies) }), 'all done');

async function aDelegationIsSeenFromBothSides(): Promise<void> {
  const session = await team();

  const looking = [say('looking'), call('bash', { command: 'echo hi' })];
  const events = await w.turn(session.id, delegating(looking, 'found it'));

  const { child, primary } = await w.threads(session.id);
  assert.ok(child?.agent.type === 'agent' && primary.agent.type === 'agent');
  assert.deepEqual([child.type, child.parent_thread_id, child.agent.name], ['session_thread', primary.id, 'reader']);
  assert.deepEqual([child.session_id, child.status, child.archived_at], [session.id, 'idle', null]);
  assert.equal(primary.agent.name, 'lead');

  const created = w.only(events, 'session.thread_created');
  assert.deepEqual([created.session_thread_id, created.agent_name], [child.id, 'reader']);
  const sent = w.only(events, 'agent.thread_message_sent');
  const received = w.only(events, 'agent.thread_message_received');
  assert.deepEqual([sent.to_session_thread_id, received.from_session_thread_id], [child.id, child.id]);
  assert.match(w.words(received), /found it/);
  w.inOrder(events, 'session.thread_created', 'agent.thread_message_received');
  assert.deepEqual(w.of(events, 'agent.tool_use'), [], 'what a child does is on its own stream');
  assert.equal(w.words(w.only(events, 'agent.message')), 'all done');
  const statuses = events.filter((event) => event.type.startsWith('session.thread_status_'));
  const named = statuses.map((event) => ('session_thread_id' in event ? event.session_thread_id : null));
  assert.deepEqual(new Set(named), new Set([primary.id, child.id]));

  const own = await w.listedOf(child.id, session.id);
  assert.ok(['agent.thread_message_received', 'session.thread_status_running'].includes(own[0]!.type));
  assert.equal(w.of(own, 'agent.message').map(w.words)[0], 'looking');
  w.inOrder(own, 'span.model_request_start', 'agent.tool_use', 'agent.tool_result');
  const others = ['session.status_idle', 'session.usage', 'session.thread_created'];
  assert.deepEqual(w.kinds(own).filter((kind) => others.includes(kind)), []);
  assert.deepEqual(w.ids(await w.listedOf(child.id, session.id, { limit: 2 })), w.ids(own));
}

async function usageIsKeptForEachThread(): Promise<void> {
  const session = await team();
  await w.turn(session.id, delegating('found it'));

  const whole = (await w.sessions.retrieve(session.id)).usage;
  const { child, primary } = await w.threads(session.id);
  const parts = [child?.usage?.output_tokens, primary.usage?.output_tokens];
  assert.deepEqual([parts[0]! + parts[1]!, whole.output_tokens], [45, 45]);
  assert.ok(child?.stats && child.stats.active_seconds! >= 0);
}

async function threadsAreRetrievedAndListed(): Promise<void> {
  const session = await team();
  assert.equal((await w.threads(session.id)).child, undefined);
  await w.turn(session.id, delegating('found it'));

  const listed = await w.all(w.sessions.threads.list(session.id, { limit: 1 }));
  const names = listed.map((one) => one.agent.type === 'agent' && one.agent.name);
  assert.deepEqual(names.sort(), ['lead', 'reader']);
  const child = await w.child(session.id);
  const shown = await w.sessions.threads.retrieve(child.id, { session_id: session.id });
  for (const field of ['id', 'agent', 'status', 'usage'] as const) assert.deepEqual(shown[field], child[field]);
  const other = await w.session(await w.agent());
  await w.raises(Anthropic.NotFoundError, () => w.sessions.threads.retrieve(child.id, { session_id: other.id }));
}

/** The child that the stream tells of next. */
export async function created(stream: w.Watched<w.Event>): Promise<string> {
  return w.last(await stream.until('session.thread_created'), 'session.thread_created').session_thread_id;
}

async function aChildsStreamIsItsOwn(): Promise<void> {
  const session = await team();
  await using stream = await w.watch(session.id);
  await w.send(session.id, delegating([call('bash', { command: 'sleep 0.5' })], 'found it'));
  const child = await created(stream);
  await using own = await w.watchThread(child, session.id);
  const seen = await own.until('session.thread_status_idle');
  await stream.until('session.status_idle');

  assert.equal(w.of(seen, 'agent.message').map(w.words).at(-1), 'found it');
  assert.equal(w.only(seen, 'session.thread_status_idle').session_thread_id, child);
}

async function aChildIsArchived(): Promise<void> {
  const session = await team();
  await w.turn(session.id, delegating('found it'));
  const { child, primary } = await w.threads(session.id);
  assert.ok(child);

  await using stream = await w.watch(session.id);
  const archived = await w.sessions.threads.archive(child.id, { session_id: session.id });
  const kind = 'session.thread_status_terminated';
  const told = w.last(await stream.until(kind), kind);

  assert.equal(archived.status, 'terminated');
  assert.ok(archived.archived_at);
  assert.equal(told.session_thread_id, child.id);
  const listed = await w.all(w.sessions.threads.list(session.id));
  const statuses = Object.fromEntries(listed.map((one) => [one.id, one.status]));
  assert.deepEqual(statuses, { [child.id]: 'terminated', [primary.id]: 'idle' });
  const filtered = await w.all(w.sessions.threads.list(session.id, { statuses: ['terminated'] }));
  assert.deepEqual(w.ids(filtered), [child.id]);
}

async function aRunningChildIsNotArchived(): Promise<void> {
  const session = await team();
  await using stream = await w.watch(session.id);
  await w.send(session.id, delegating(WAIT));
  const child = await created(stream);
  const archive = () => w.sessions.threads.archive(child, { session_id: session.id });
  await w.raises(Anthropic.BadRequestError, archive);
  await w.send(session.id, { type: 'user.interrupt' });
  await stream.until('session.status_idle');
}

async function aChildKeepsItsConversation(): Promise<void> {
  const session = await team();
  await w.turn(session.id, delegating('found it'));
  const child = await w.child(session.id);

  const more = call('send_to_agent', { thread: child.id, message: script('found more') });
  const events = await w.turn(session.id, script(more, 'over to you', 'all done'));

  assert.equal((await w.child(session.id)).id, child.id);
  const own = await w.listedOf(child.id, session.id);
  assert.deepEqual(w.of(own, 'agent.message').map(w.words), ['found it', 'found more']);
  const received = w.of(events, 'agent.thread_message_received').map(w.words);
  assert.ok(received.some((said) => said.includes('found more')));
}

async function aTeamIsShownWholeInItsSession(): Promise<void> {
  const reader = await w.agent({ name: 'reader', system: 'You read.', description: 'Reads.' });
  const lead = await w.agent({
    name: 'lead',
    multiagent: { type: 'coordinator', agents: [reader.id, { type: 'self' }] },
  });

  const shown = (await w.session(lead)).agent.multiagent;

  assert.ok(shown?.type === 'coordinator');
  const members = w.of(shown.agents, 'agent');
  assert.deepEqual(members.map((one) => one.name), ['reader', 'lead']);
  assert.equal(members[0]?.system, 'You read.');
}

export const FLOWS = [
  aDelegationIsSeenFromBothSides,
  usageIsKeptForEachThread,
  threadsAreRetrievedAndListed,
  aChildsStreamIsItsOwn,
  aChildIsArchived,
  aRunningChildIsNotArchived,
  aChildKeepsItsConversation,
  aTeamIsShownWholeInItsSession,
];
