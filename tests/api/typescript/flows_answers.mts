// What waits for the client: confirmations, custom tools, in the primary and in children; and the SDK's tool runner.
import assert from 'node:assert/strict';
import Anthropic from '@anthropic-ai/sdk';
import { betaTool } from '@anthropic-ai/sdk/helpers/beta/json-schema';
import { type Block, call, script } from './script.mjs';
import * as w from './world.mjs';

export const BASH = call('bash', { command: 'echo hi' });

const allowed = (tool_use_id: string) => ({ type: 'user.tool_confirmation', tool_use_id, result: 'allow' }) as const;
const answered = (custom_tool_use_id: string, text: string) => ({
  type: 'user.custom_tool_result' as const,
  custom_tool_use_id,
  content: [{ type: 'text' as const, text }],
});
/** What a turn stops with until these are answered. */
const waiting = (...event_ids: string[]) => ({ type: 'requires_action', event_ids });

async function aCallWaitsToBeAllowed(): Promise<void> {
  const session = await w.session(await w.agent({ tools: [w.ASKING] }));
  const events = await w.turn(session.id, script([BASH], 'done'));
  const use = w.only(events, 'agent.tool_use');
  assert.equal(use.evaluated_permission, 'ask');
  assert.deepEqual(w.stopped(events), waiting(use.id));
  await w.raises(Anthropic.BadRequestError, () => w.send(session.id, 'are you there?'));

  const after = await w.turn(session.id, allowed(use.id));

  const result = w.only(after, 'agent.tool_result');
  assert.deepEqual([result.tool_use_id, result.is_error], [use.id, false]);
  assert.match(w.words(result), /hi/);
  assert.deepEqual(w.stopped(after), { type: 'end_turn' });
  const [confirmation] = w.of(await w.listed(session.id), 'user.tool_confirmation');
  assert.deepEqual([confirmation?.tool_use_id, confirmation?.result], [use.id, 'allow']);
  await w.raises(Anthropic.ConflictError, () => w.send(session.id, allowed(use.id)), 'tool_use_id');
  await w.raises(Anthropic.BadRequestError, () => w.send(session.id, allowed('sevt_none')), 'tool_use_id');
}

async function aDeniedCallTellsTheAgentWhy(): Promise<void> {
  const session = await w.session(await w.agent({ tools: [w.ASKING] }));
  const use = w.only(await w.turn(session.id, script([BASH], 'done')), 'agent.tool_use');
  const no = { ...allowed(use.id), result: 'deny', deny_message: 'not today' } as const;

  const result = w.only(await w.turn(session.id, no), 'agent.tool_result');

  assert.equal(result.is_error, true);
  assert.match(w.words(result), /^Permission to use bash has been denied.*not today/s);
}

async function theRestWaitsOnWhenAPartIsAnswered(): Promise<void> {
  const session = await w.session(await w.agent({ tools: [w.ASKING] }));
  const both = [call('bash', { command: 'echo one' }), call('bash', { command: 'echo two' })];
  const events = await w.turn(session.id, script(both, 'done'));
  const [first, second] = w.ids(w.of(events, 'agent.tool_use'));
  assert.ok(first && second);
  assert.deepEqual(w.stopped(events), waiting(first, second));

  assert.deepEqual(w.stopped(await w.turn(session.id, allowed(first))), waiting(second));

  assert.deepEqual(w.stopped(await w.turn(session.id, allowed(second))), { type: 'end_turn' });
}

/** A coordinator whose one reader has this tool; `given` is of the coordinator. */
async function leading(tool: typeof w.ASKING | typeof w.LOOKUP, given: Parameters<typeof w.agent>[0] = {}) {
  const reader = await w.agent({ name: 'reader', tools: [tool] });
  return w.agent({ name: 'lead', multiagent: { type: 'coordinator', agents: [reader.id] }, ...given });
}

/** The reader's task: this call, and then a word. */
const reading = (work: Block, said: string): Block => call('reader', { task: script([work], said) });

async function aChildsCallIsAnsweredByEitherId(): Promise<void> {
  const lead = await leading(w.ASKING);
  for (const side of ['session', 'thread']) {
    const session = await w.session(lead);
    const events = await w.turn(session.id, script(reading(BASH, 'found it'), 'done'));
    const child = await w.child(session.id);
    const crossed = w.only(events, 'agent.tool_use');
    assert.deepEqual([crossed.session_thread_id, child.status], [child.id, 'idle']);
    assert.deepEqual(w.stopped(events), waiting(crossed.id));
    const before = await w.listedOf(child.id, session.id);
    const original = w.only(before, 'agent.tool_use');
    assert.equal(original.session_thread_id ?? null, null);
    assert.deepEqual(w.of(before, 'session.thread_status_idle').at(-1)?.stop_reason, waiting(original.id));

    const after = await w.turn(session.id, allowed(side === 'session' ? crossed.id : original.id));

    assert.deepEqual(w.stopped(after), { type: 'end_turn' });
    const confirmation = w.only(await w.listed(session.id), 'user.tool_confirmation');
    assert.equal(confirmation.session_thread_id, child.id);
    const own = await w.listedOf(child.id, session.id);
    assert.equal(w.only(own, 'agent.tool_result').tool_use_id, original.id);
    assert.ok(w.of(own, 'user.tool_confirmation').length, "the answer is on the child's stream too");
  }
}

async function aCustomToolIsTheClients(): Promise<void> {
  const session = await w.session(await w.agent({ tools: [w.LOOKUP] }));
  const events = await w.turn(session.id, script([call('lookup', { id: '7' })], 'done'));
  const use = w.only(events, 'agent.custom_tool_use');
  assert.deepEqual([use.name, use.input], ['lookup', { id: '7' }]);
  assert.deepEqual(w.stopped(events), waiting(use.id));

  const sent = await w.send(session.id, answered(use.id, 'Ann'));

  assert.ok(sent.data?.[0]?.processed_at, 'it is processed as it comes');
  await w.settle(session.id);
  const listed = await w.listed(session.id);
  const result = w.only(listed, 'user.custom_tool_result');
  assert.deepEqual([result.custom_tool_use_id, w.words(result)], [use.id, 'Ann']);
  assert.equal(w.of(listed, 'agent.message').map(w.words).at(-1), 'done');
}

async function aChildsCustomToolIsTheClientsToo(): Promise<void> {
  const session = await w.session(await leading(w.LOOKUP));
  const events = await w.turn(session.id, script(reading(call('lookup', { id: '7' }), 'Ann'), 'done'));
  const use = w.only(events, 'agent.custom_tool_use');
  assert.equal(use.session_thread_id, (await w.child(session.id)).id);

  const after = await w.turn(session.id, answered(use.id, 'Ann'));

  assert.deepEqual(w.stopped(after), { type: 'end_turn' });
  assert.ok(w.of(after, 'agent.thread_message_received').some((event) => w.words(event).includes('Ann')));
}

/** The calls that the SDK's tool runner answers until the session has nothing more to do. */
async function runTools(session: string) {
  const lookup = betaTool({
    name: 'lookup',
    description: w.LOOKUP.description,
    inputSchema: { type: 'object', properties: { id: { type: 'string' } }, required: ['id'] },
    run: ({ id }) => `customer ${id}`,
  });
  return w.all(w.sessions.events.toolRunner(session, { tools: [lookup], maxIdleMs: 300 }));
}

async function theToolRunnerAnswersByItself(): Promise<void> {
  const session = await w.session(await w.agent({ tools: [w.LOOKUP] }));
  await w.send(session.id, script([call('lookup', { id: '7' })], [call('lookup', { id: '8' })], 'done'));

  const calls = await runTools(session.id);

  const once = ['lookup', false, true];
  assert.deepEqual(calls.map((one) => [one.name, one.isError, one.posted]), [once, once]);
  const results = w.of(await w.listed(session.id), 'user.custom_tool_result');
  assert.deepEqual(results.map(w.words), ['customer 7', 'customer 8']);
}

async function theToolRunnerTakesUpWhatWasLeftOpen(): Promise<void> {
  const session = await w.session(await leading(w.LOOKUP, { tools: [w.LOOKUP] }));
  await w.turn(session.id, script([reading(call('lookup', { id: '7' }), 'Ann'), call('lookup', { id: '8' })], 'done'));

  const calls = await runTools(session.id);

  assert.deepEqual(calls.map((one) => one.event.input['id']).sort(), ['7', '8']);
  assert.equal(w.of(await w.listed(session.id), 'agent.message').map(w.words).at(-1), 'done');
}

export const FLOWS = [
  aCallWaitsToBeAllowed,
  aDeniedCallTellsTheAgentWhy,
  theRestWaitsOnWhenAPartIsAnswered,
  aChildsCallIsAnsweredByEitherId,
  aCustomToolIsTheClients,
  aChildsCustomToolIsTheClientsToo,
  theToolRunnerAnswersByItself,
  theToolRunnerTakesUpWhatWasLeftOpen,
];
