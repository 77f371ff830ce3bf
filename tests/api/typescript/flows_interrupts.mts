// Interrupts: of a model call, of a call that waits, of one thread, of none.
import assert from 'node:assert/strict';
import Anthropic from '@anthropic-ai/sdk';
import { BASH } from './flows_answers.mjs';
import { created, delegating, team } from './flows_threads.mjs';
import { WAIT, call, script } from './script.mjs';
import * as w from './world.mjs';

const CLOSED = 'Tool execution was interrupted before completion. Please retry.';
const interrupt = (named: { session_thread_id?: string } = {}) => ({ type: 'user.interrupt' as const, ...named });

async function aReplyIsCutShort(): Promise<void> {
  const session = await w.session(await w.agent());
  await using stream = await w.watch(session.id);
  await w.send(session.id, script(WAIT));
  await stream.until('span.model_request_start');
  await w.send(session.id, interrupt());
  const events = await stream.until('session.status_idle');

  assert.deepEqual(w.stopped(events), { type: 'end_turn' });
  assert.deepEqual(w.of(events, 'agent.message'), []);
  const after = await w.turn(session.id, script('hello again'));
  assert.equal(w.words(w.only(after, 'agent.message')), 'hello again');
}

async function aCommandIsKilled(): Promise<void> {
  const session = await w.session(await w.agent({ tools: [w.TOOLSET] }));
  await using stream = await w.watch(session.id);
  await w.send(session.id, script([call('bash', { command: 'sleep 60' })], 'never'));
  await stream.until('agent.tool_use');
  await w.send(session.id, interrupt());
  const events = await stream.until('session.status_idle');

  assert.deepEqual(w.stopped(events), { type: 'end_turn' });
  assert.equal(w.only(events, 'agent.tool_result').is_error, true);
}

async function aCallThatWaitsIsClosed(): Promise<void> {
  const session = await w.session(await w.agent({ tools: [w.ASKING] }));
  const use = w.only(await w.turn(session.id, script([BASH], 'never')), 'agent.tool_use');

  const events = await w.turn(session.id, interrupt());

  const result = w.only(events, 'agent.tool_result');
  assert.deepEqual([result.tool_use_id, result.is_error, w.words(result)], [use.id, true, CLOSED]);
  assert.deepEqual(w.of(events, 'span.model_request_start'), [], 'the model is not asked');
  assert.deepEqual(w.stopped(events), { type: 'end_turn' });
}

async function oneThreadIsStoppedAlone(): Promise<void> {
  const session = await team();
  await using stream = await w.watch(session.id);
  await w.send(session.id, delegating(WAIT));
  const child = await created(stream);
  await using own = await w.watchThread(child, session.id);
  const begun = w.kinds(await w.listedOf(child, session.id)).includes('span.model_request_start');
  if (!begun) await own.until('span.model_request_start');
  await w.send(session.id, interrupt({ session_thread_id: child }));
  const idle = await own.until('session.thread_status_idle');
  const events = await stream.until('session.status_idle');

  assert.deepEqual(w.last(idle, 'session.thread_status_idle').stop_reason, { type: 'end_turn' });
  assert.deepEqual(w.stopped(events), { type: 'end_turn' });
}

async function nothingIsOpenToStop(): Promise<void> {
  const session = await team();
  await w.turn(session.id, delegating('found it'));
  const child = await w.child(session.id);
  const before = w.kinds(await w.listed(session.id));
  const stop = () => w.send(session.id, interrupt({ session_thread_id: child.id }));

  await stop();

  const after = w.kinds(await w.listed(session.id));
  assert.deepEqual(after.filter((kind) => kind !== 'user.interrupt'), before);
  await w.sessions.threads.archive(child.id, { session_id: session.id });
  await w.raises(Anthropic.BadRequestError, stop, 'session_thread_id');
}

export const FLOWS = [
  aReplyIsCutShort,
  aCommandIsKilled,
  aCallThatWaitsIsClosed,
  oneThreadIsStoppedAlone,
  nothingIsOpenToStop,
];
