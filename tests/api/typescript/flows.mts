// The flows, by name. Their Python sisters in tests/api/sdk say more; these hold what differs between the two clients.
import assert from 'node:assert/strict';
import Anthropic from '@anthropic-ai/sdk';
import { betaTool } from '@anthropic-ai/sdk/helpers/beta/json-schema';
import { accumulateManagedAgentsEvent } from '@anthropic-ai/sdk/lib/sessions/accumulate';
import * as w from './world.mjs';

const TOOLSET = { type: 'agent_toolset_20260401' } as const;
const LOOKUP = {
  type: 'custom',
  name: 'lookup',
  description: 'Looks up a customer.',
  input_schema: { type: 'object', properties: { id: { type: 'string' } }, required: ['id'] },
} as const satisfies Anthropic.Beta.BetaManagedAgentsCustomToolParams;
const ASKING = {
  type: 'agent_toolset_20260401',
  default_config: { permission_policy: { type: 'always_ask' } },
} as const satisfies Anthropic.Beta.BetaManagedAgentsAgentToolset20260401Params;

async function anAgentLives(): Promise<void> {
  const made = await w.agent({ name: 'reader', system: 'You read.', tools: [TOOLSET], metadata: { a: '1' } });
  assert.deepEqual([made.type, made.version, made.name, made.model.id], ['agent', 1, 'reader', w.MODEL]);
  assert.deepEqual([made.archived_at, made.multiagent, made.mcp_servers, made.skills], [null, null, [], []]);
  const [toolset] = made.tools;
  assert.ok(toolset?.type === 'agent_toolset_20260401');
  assert.equal(toolset.default_config.permission_policy.type, 'always_allow');

  const changed = await w.agents.update(made.id, { version: 1, metadata: { a: null, b: '2' } });
  assert.deepEqual([changed.version, changed.metadata], [2, { b: '2' }]);
  const versions = await w.all(w.agents.versions.list(made.id));
  assert.deepEqual(versions.map((one) => one.version), [2, 1]);
  assert.deepEqual(await w.agents.retrieve(made.id, { version: 1 }), made);
  const stale = await w.raises(Anthropic.ConflictError, () => w.agents.update(made.id, { version: 1, name: 'x' }));
  assert.equal((stale as InstanceType<typeof Anthropic.ConflictError>).status, 409);
  assert.ok((await w.agents.archive(made.id)).archived_at);
}

async function listsComeInPages(): Promise<void> {
  const made: w.Agent[] = [];
  for (let n = 0; n < 5; n++) made.push(await w.agent());
  const since = made[0]!.created_at;
  const ids = made.map((one) => one.id).reverse();

  const listed = await w.all(w.agents.list({ limit: 2, 'created_at[gte]': since }));
  assert.deepEqual(listed.map((one) => one.id), ids);

  const session = await w.session(made[0]!);
  const found = await w.all(w.sessions.list({ agent_id: made[0]!.id, statuses: ['idle', 'running'] }));
  assert.deepEqual(found.map((one) => one.id), [session.id]);
}

async function anEnvironmentLives(): Promise<void> {
  const made = await w.environments.create({ name: w.unique('env'), config: { type: 'cloud' } });
  assert.ok(made.config.type === 'cloud');
  assert.equal(made.config.networking.type, 'unrestricted');
  assert.deepEqual(made.config.packages.pip, []);
  assert.equal((await w.environments.retrieve(made.id)).id, made.id);
  assert.equal((await w.environments.delete(made.id)).type, 'environment_deleted');
}

async function aTurnIsStreamed(): Promise<void> {
  const session = await w.session(await w.agent({ tools: [TOOLSET] }));
  assert.deepEqual([session.type, session.status, session.resources], ['session', 'idle', []]);

  const events = await w.turn(session.id, [w.message(w.script([w.call('bash', { command: 'echo hi' })], 'done'))]);

  const use = w.only(events, 'agent.tool_use');
  assert.deepEqual([use.name, use.input, use.evaluated_permission], ['bash', { command: 'echo hi' }, 'allow']);
  const result = w.only(events, 'agent.tool_result');
  assert.equal(result.tool_use_id, use.id);
  assert.match(w.words(result), /hi/);
  assert.equal(w.words(w.only(events, 'agent.message')), 'done');
  assert.equal(w.only(events, 'session.status_idle').stop_reason.type, 'end_turn');
  const listed = await w.all(w.sessions.events.list(session.id, { limit: 3, order: 'asc' }));
  const ids = new Set(listed.map((event) => event.id));
  assert.ok(events.every((event) => 'id' in event && ids.has(event.id)));
  const messages = await w.all(w.sessions.events.list(session.id, { types: ['agent.message', 'user.message'] }));
  assert.ok(messages.every((event) => event.type === 'agent.message' || event.type === 'user.message'));
  const after = await w.sessions.retrieve(session.id);
  assert.deepEqual([after.status, after.usage.output_tokens], ['idle', 30]);
  assert.equal((await w.sessions.archive(session.id)).status, 'terminated');
  assert.equal((await w.sessions.delete(session.id)).type, 'session_deleted');
}

async function previewsArePrefixes(): Promise<void> {
  const session = await w.session(await w.agent());
  const whole = 'hello, these are many words';
  const stream = await w.sessions.events.stream(session.id, { event_deltas: ['agent.message'] });
  await w.sessions.events.send(session.id, { events: [w.message(w.script(whole))] });

  const events = await w.read(stream, 'session.status_idle');

  let snapshot: ReturnType<typeof accumulateManagedAgentsEvent>;
  let deltas = 0;
  for (const event of events) {
    snapshot = accumulateManagedAgentsEvent(snapshot, event);
    if (event.type === 'event_delta') {
      deltas += 1;
      assert.ok(snapshot && whole.startsWith(w.words(snapshot)));
    }
  }
  assert.ok(deltas > 0 && snapshot);
  assert.deepEqual([snapshot.id, w.words(snapshot)], [w.only(events, 'agent.message').id, whole]);
}

async function aDelegationIsSeenFromBothSides(): Promise<void> {
  const reader = await w.agent({ name: 'reader' });
  const lead = await w.agent({ name: 'lead', multiagent: { type: 'coordinator', agents: [reader.id] } });
  const session = await w.session(lead);
  assert.ok(session.agent.multiagent?.type === 'coordinator');
  assert.deepEqual(session.agent.multiagent.agents.map((one) => (one.type === 'agent' ? one.name : one.type)), ['reader']);
  const work = w.script(w.call('reader', { task: w.script('found it') }), 'all done');

  const events = await w.turn(session.id, [w.message(work)]);

  const created = w.only(events, 'session.thread_created');
  const received = w.only(events, 'agent.thread_message_received');
  assert.deepEqual([created.agent_name, received.from_session_thread_id], ['reader', created.session_thread_id]);
  assert.match(w.words(received), /found it/);
  const threads = await w.all(w.sessions.threads.list(session.id));
  assert.equal(threads.length, 2);
  const at = { session_id: session.id };
  const child = await w.sessions.threads.retrieve(created.session_thread_id, at);
  assert.deepEqual([child.type, child.status, child.session_id], ['session_thread', 'idle', session.id]);
  const own = await w.all(w.sessions.threads.events.list(child.id, at));
  assert.ok(own.some((event) => event.type === 'agent.message' && w.words(event) === 'found it'));
  assert.equal((await w.sessions.threads.archive(child.id, at)).status, 'terminated');
}

async function aCallWaitsToBeAllowed(): Promise<void> {
  const session = await w.session(await w.agent({ tools: [ASKING] }));
  const events = await w.turn(session.id, [w.message(w.script([w.call('bash', { command: 'echo hi' })], 'done'))]);
  const use = w.only(events, 'agent.tool_use');
  const reason = w.only(events, 'session.status_idle').stop_reason;
  assert.ok(reason.type === 'requires_action');
  assert.deepEqual(reason.event_ids, [use.id]);

  const after = await w.turn(session.id, [{ type: 'user.tool_confirmation', tool_use_id: use.id, result: 'allow' }]);

  assert.equal(w.only(after, 'agent.tool_result').is_error, false);
  assert.equal(w.only(after, 'session.status_idle').stop_reason.type, 'end_turn');
}

async function theToolRunnerAnswers(): Promise<void> {
  const session = await w.session(await w.agent({ tools: [LOOKUP] }));
  await w.sessions.events.send(session.id, { events: [w.message(w.script([w.call('lookup', { id: '7' })], 'done'))] });
  const lookup = betaTool({
    name: 'lookup',
    description: LOOKUP.description,
    inputSchema: { type: 'object', properties: { id: { type: 'string' } }, required: ['id'] },
    run: ({ id }) => `customer ${id}`,
  });

  const runner = w.sessions.events.toolRunner(session.id, { tools: [lookup], maxIdleMs: 300 });

  const calls = await w.all(runner);
  assert.deepEqual(calls.map((one) => [one.name, one.isError, one.posted]), [['lookup', false, true]]);
  const listed = await w.all(w.sessions.events.list(session.id));
  assert.ok(listed.some((event) => event.type === 'user.custom_tool_result' && w.words(event) === 'customer 7'));
}

async function aSessionIsMadeChangedAndFound(): Promise<void> {
  const agent = await w.agent({ system: 'You read.', tools: [TOOLSET] });
  const environment = await w.environments.create({ name: w.unique('env') });
  const made = await w.sessions.create({
    agent: { type: 'agent_with_overrides', id: agent.id, version: 1, system: 'You write.', tools: [] },
    environment_id: environment.id,
    title: 'first',
    metadata: { a: '1' },
    initial_events: [{ type: 'user.message', content: [{ type: 'text', text: w.script('hello') }] }],
  });
  assert.deepEqual([made.agent.id, made.agent.version, made.agent.system], [agent.id, 1, 'You write.']);
  assert.deepEqual([made.agent.tools, made.title, made.metadata, made.budget], [[], 'first', { a: '1' }, null]);
  await w.settle(made.id);
  const said = await w.all(w.sessions.events.list(made.id, { types: ['agent.message'] }));
  assert.deepEqual(said.map(w.words), ['hello']);

  const changed = await w.sessions.update(made.id, { title: 'second', metadata: { a: null, b: '2' } });
  assert.deepEqual([changed.title, changed.metadata], ['second', { b: '2' }]);

  const ids = [made.id];
  for (let n = 0; n < 3; n++) ids.unshift((await w.session(agent)).id);
  const first = await w.sessions.list({ agent_id: agent.id, limit: 2 });
  const second = await first.getNextPage();
  assert.deepEqual([...first.data, ...second.data].map((one) => one.id), ids);
  assert.ok(second.prev_page);
  const back = await w.sessions.list({ agent_id: agent.id, limit: 2, page: second.prev_page });
  assert.deepEqual(back.data.map((one) => one.id), ids.slice(0, 2));
  const later = await w.all(w.sessions.list({ agent_id: agent.id, 'created_at[gt]': made.created_at, order: 'asc' }));
  assert.deepEqual(later.map((one) => one.id), ids.slice(0, 3).reverse());
}

async function aChildAsksAndIsAnswered(): Promise<void> {
  const reader = await w.agent({ name: 'reader', tools: [ASKING, LOOKUP] });
  const lead = await w.agent({ name: 'lead', multiagent: { type: 'coordinator', agents: [reader.id] } });
  const session = await w.session(lead);
  const both = [w.call('bash', { command: 'echo hi' }), w.call('lookup', { id: '7' })];
  const work = w.script(w.call('reader', { task: w.script(both, 'found it') }), 'all done');
  const events = await w.turn(session.id, [w.message(work)]);
  const asked = w.only(events, 'agent.tool_use');
  const custom = w.only(events, 'agent.custom_tool_use');
  assert.ok(asked.session_thread_id && asked.session_thread_id === custom.session_thread_id);
  const reason = w.only(events, 'session.status_idle').stop_reason;
  assert.ok(reason.type === 'requires_action');
  assert.deepEqual(new Set(reason.event_ids), new Set([asked.id, custom.id]));

  const own = await w.sessions.threads.events.stream(asked.session_thread_id, { session_id: session.id });
  await w.sessions.events.send(session.id, {
    events: [
      { type: 'user.tool_confirmation', tool_use_id: asked.id, result: 'deny', deny_message: 'not today' },
      { type: 'user.custom_tool_result', custom_tool_use_id: custom.id, content: [{ type: 'text', text: 'Ann' }] },
    ],
  });

  const seen: { type: string }[] = [];
  for await (const event of own) {
    seen.push(event);
    if (event.type === 'session.thread_status_idle' && event.stop_reason.type === 'end_turn') break;
  }
  const result = seen.find((event) => event.type === 'agent.tool_result');
  assert.ok(result && w.words(result).includes('not today'));
  assert.ok(seen.some((event) => event.type === 'agent.message' && w.words(event) === 'found it'));
  await w.settle(session.id);
  const last = await w.sessions.events.list(session.id, { types: ['agent.message'], order: 'desc', limit: 1 });
  assert.deepEqual(last.data.map(w.words), ['all done']);
}

async function modelsAreListed(): Promise<void> {
  const models = await w.all(w.client.beta.models.list({ limit: 2 }));
  assert.ok(models.some((one) => one.id === w.MODEL && one.type === 'model'));
  assert.equal((await w.client.beta.models.retrieve(w.MODEL)).id, w.MODEL);
}

async function aReplyIsCutShort(): Promise<void> {
  const session = await w.session(await w.agent());
  const stream = await w.sessions.events.stream(session.id);
  await w.sessions.events.send(session.id, { events: [w.message(w.script(w.WAIT))] });
  const events: w.Event[] = [];
  for await (const event of stream) {
    events.push(event);
    if (event.type === 'span.model_request_start') {
      await w.sessions.events.send(session.id, { events: [{ type: 'user.interrupt' }] });
    }
    if (event.type === 'session.status_idle') break;
  }
  assert.equal(w.only(events, 'session.status_idle').stop_reason.type, 'end_turn');
  assert.deepEqual(w.of(events, 'agent.message'), []);
}

async function errorsHaveTheirClasses(): Promise<void> {
  const missing = await w.raises(Anthropic.NotFoundError, () => w.sessions.retrieve('sesn_unknown'));
  const { error, requestID } = missing as InstanceType<typeof Anthropic.NotFoundError>;
  const body = error as { type: string; error: { type: string; message: string }; request_id: string };
  assert.deepEqual([body.type, body.error.type, body.request_id], ['error', 'not_found_error', requestID]);
  await w.raises(Anthropic.BadRequestError, () => w.agents.create({ name: '', model: w.MODEL }));
  const stranger = new Anthropic({ apiKey: 'podium_nobody_nothing_0' });
  await w.raises(Anthropic.AuthenticationError, () => stranger.beta.agents.list());
  const reader = new Anthropic({ apiKey: process.env['PODIUM_READER_KEY'] ?? '' });
  await w.raises(Anthropic.PermissionDeniedError, () => reader.beta.agents.create({ name: 'a', model: w.MODEL }));
}

export const FLOWS: Record<string, () => Promise<void>> = {
  anAgentLives,
  listsComeInPages,
  anEnvironmentLives,
  aTurnIsStreamed,
  previewsArePrefixes,
  aDelegationIsSeenFromBothSides,
  aCallWaitsToBeAllowed,
  theToolRunnerAnswers,
  aSessionIsMadeChangedAndFound,
  aChildAsksAndIsAnswered,
  modelsAreListed,
  aReplyIsCutShort,
  errorsHaveTheirClasses,
};
