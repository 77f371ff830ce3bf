// Sessions: made, shown, changed, listed with every filter and both cursors, archived, deleted.
import assert from 'node:assert/strict';
import Anthropic from '@anthropic-ai/sdk';
import { WAIT, call, script, used } from './script.mjs';
import * as w from './world.mjs';

async function aSessionIsMadeAndChanged(): Promise<void> {
  const agent = await w.agent({ name: 'reader', system: 'You read.', tools: [w.TOOLSET] });
  const made = await w.session(agent, { title: 'first', metadata: { a: '1' } });
  assert.deepEqual([made.type, made.status, made.title, made.metadata], ['session', 'idle', 'first', { a: '1' }]);
  assert.deepEqual([made.agent.id, made.agent.version, made.agent.system], [agent.id, 1, 'You read.']);
  assert.deepEqual([made.vault_ids, made.resources, made.outcome_evaluations], [[], [], []]);
  assert.deepEqual([made.budget, made.archived_at, made.usage.input_tokens ?? 0], [null, null, 0]);
  assert.equal((await w.sessions.retrieve(made.id)).id, made.id);

  await using stream = await w.watch(made.id);
  const changed = await w.sessions.update(made.id, { title: 'second', metadata: { a: null, b: '2' } });
  const told = w.last(await stream.until('session.updated'), 'session.updated');
  assert.deepEqual([changed.title, changed.metadata], ['second', { b: '2' }]);
  assert.equal(told.title, 'second');
  await w.raises(Anthropic.BadRequestError, () => w.sessions.update(made.id, { vault_ids: ['vlt_1'] }), 'vault_ids');

  assert.deepEqual((await w.sessions.update(made.id, { agent: { tools: [] } })).agent.tools, []);
  assert.equal((await w.agents.retrieve(agent.id)).tools.length, 1, 'the agent itself is as it was');
}

async function aSessionStartsWithItsFirstEvents(): Promise<void> {
  const session = await w.session(await w.agent(), { initial_events: [w.message(script('hello'))] });
  assert.ok(['running', 'idle'].includes(session.status));

  await w.settle(session.id);

  w.inOrder(await w.listed(session.id), 'user.message', 'agent.message', 'session.status_idle');
}

async function whatIsWrongWithAFirstEventLeavesNoSession(): Promise<void> {
  const agent = await w.agent();
  const wrong = { initial_events: w.untyped<[]>([w.message('fine'), { type: 'user.interrupt' }]) };

  await w.raises(Anthropic.BadRequestError, () => w.session(agent, wrong), 'initial_events');

  assert.deepEqual(await w.all(w.sessions.list({ agent_id: agent.id })), []);
}

async function aSessionOverridesItsAgent(): Promise<void> {
  const agent = await w.agent({ name: 'reader', system: 'You read.', tools: [w.TOOLSET], description: 'Reads.' });
  const over = { type: 'agent_with_overrides', id: agent.id } as const;

  const shown = (await w.session({ ...over, version: 1, system: 'You write.', tools: [] })).agent;

  assert.deepEqual([shown.id, shown.version, shown.system, shown.tools], [agent.id, 1, 'You write.', []]);
  assert.equal(shown.description, 'Reads.', 'what was left out is inherited');
  const none = { ...over, model: w.untyped<string>(null) };
  await w.raises(Anthropic.BadRequestError, () => w.session(none), 'model');
}

async function aSessionKeepsTheVersionItBeganWith(): Promise<void> {
  const agent = await w.agent({ name: 'reader', system: 'one' });
  const pinned = await w.session({ type: 'agent', id: agent.id, version: 1 });
  await w.agents.update(agent.id, { version: 1, system: 'two' });

  assert.equal((await w.sessions.retrieve(pinned.id)).agent.system, 'one');
  assert.equal((await w.session(agent)).agent.version, 2);
  await w.agents.archive(agent.id);
  await w.raises(Anthropic.BadRequestError, () => w.session(agent));
}

async function sessionsAreFoundByEveryFilter(): Promise<void> {
  const agent = await w.agent();
  const first = await w.session(agent);
  await w.agents.update(agent.id, { version: 1, system: 'two' });
  const [second, third] = [await w.session(agent), await w.session(agent)];
  await w.turn(second.id, script('hello'));
  await w.sessions.archive(third.id);

  const anHourLater = new Date(Date.parse(second.created_at) + 3_600_000).toISOString();
  const cases: [Anthropic.Beta.SessionListParams, { id: string }[]][] = [
    [{}, [second, first]],
    [{ order: 'asc' }, [first, second]],
    [{ include_archived: true }, [third, second, first]],
    [{ agent_version: 1 }, [first]],
    [{ statuses: ['idle', 'running'] }, [second, first]],
    [{ statuses: ['terminated'], include_archived: true }, [third]],
    [{ 'created_at[gt]': first.created_at }, [second]],
    [{ 'created_at[gte]': first.created_at }, [second, first]],
    [{ 'created_at[lt]': second.created_at }, [first]],
    [{ 'created_at[lte]': anHourLater }, [second, first]],
  ];
  for (const [given, wanted] of cases) {
    const found = await w.all(w.sessions.list({ agent_id: agent.id, ...given }));
    assert.deepEqual(w.ids(found), w.ids(wanted), JSON.stringify(given));
  }
}

async function sessionsArePagedForthAndBack(): Promise<void> {
  const agent = await w.agent();
  const ids: string[] = [];
  for (let n = 0; n < 5; n++) ids.unshift((await w.session(agent)).id);
  const given = { agent_id: agent.id, limit: 2 };

  const first = await w.sessions.list(given);
  const second = await first.getNextPage();
  assert.deepEqual([w.ids(first.data), w.ids(second.data)], [ids.slice(0, 2), ids.slice(2, 4)]);
  assert.deepEqual(w.ids(await w.all(w.sessions.list(given))), ids);

  const page = second.prev_page;
  assert.ok(page && first.prev_page === null);
  assert.deepEqual(w.ids((await w.sessions.list({ ...given, page })).data), ids.slice(0, 2));
  await w.raises(Anthropic.BadRequestError, () => w.sessions.list({ ...given, page, order: 'asc' }), 'page');
}

async function aSessionEndsByArchiveOrDelete(): Promise<void> {
  const agent = await w.agent();
  const [kept, gone] = [await w.session(agent), await w.session(agent)];
  await w.turn(kept.id, script('hello'));

  const archived = await w.sessions.archive(kept.id);
  assert.equal(archived.status, 'terminated');
  assert.ok(archived.archived_at);
  w.last(await w.listed(kept.id), 'session.status_terminated');
  await w.raises(Anthropic.BadRequestError, () => w.send(kept.id, 'more'));

  await using stream = await w.watch(gone.id);
  assert.deepEqual(await w.sessions.delete(gone.id), { id: gone.id, type: 'session_deleted' });
  w.last(await stream.rest(), 'session.deleted'); // and the stream ends
  await w.raises(Anthropic.NotFoundError, () => w.sessions.retrieve(gone.id));
}

async function aRunningSessionIsNeitherArchivedNorDeleted(): Promise<void> {
  const { id } = await w.session(await w.agent());
  await using stream = await w.watch(id);
  await w.send(id, script(WAIT));
  await stream.until('span.model_request_start');
  await w.raises(Anthropic.BadRequestError, () => w.sessions.archive(id));
  await w.raises(Anthropic.BadRequestError, () => w.sessions.delete(id));
  await w.send(id, { type: 'user.interrupt' });
  await stream.until('session.status_idle');

  assert.equal((await w.sessions.archive(id)).status, 'terminated');
}

/** A budget of so many cents. */
const cents = (amount: string) => ({ type: 'limit', max_list_cost: { amount, currency: 'USD' } }) as const;

async function aBudgetHoldsASessionUntilItIsRaised(): Promise<void> {
  const agent = await w.agent({ model: 'priced', tools: [w.TOOLSET] });
  const session = await w.session(agent, { budget: cents('5') });
  assert.deepEqual(session.budget, cents('5'));
  const expensive = [call('bash', { command: 'true' }), used({ input_tokens: 40_000 })];

  const events = await w.turn(session.id, script(expensive, 'done'));

  assert.deepEqual(w.stopped(events), { type: 'budget_reached' });
  const order = ['session.thread_status_idle', 'session.usage', 'session.status_idle'];
  assert.deepEqual(w.kinds(events).slice(-3), order);
  const spent = (await w.sessions.retrieve(session.id)).usage;
  assert.ok(spent.list_cost && Number(spent.list_cost.amount) > 0);
  await w.raises(Anthropic.BadRequestError, () => w.send(session.id, 'more'));

  await using stream = await w.watch(session.id);
  await w.sessions.update(session.id, { budget: cents('500') });
  const after = await stream.until('session.status_idle');
  assert.deepEqual(w.stopped(after), { type: 'end_turn' });
  assert.equal(w.words(w.only(after, 'agent.message')), 'done');
  assert.deepEqual(w.only(after, 'session.updated').budget, cents('500'));
}

async function aModelThatNobodyServesIsNamed(): Promise<void> {
  const agent = await w.agent({ name: w.unique('lost'), model: 'elsewhere/no-such-model' });

  await w.raises(Anthropic.BadRequestError, () => w.session(agent), 'elsewhere/no-such-model');
}

export const FLOWS = [
  aSessionIsMadeAndChanged,
  aSessionStartsWithItsFirstEvents,
  whatIsWrongWithAFirstEventLeavesNoSession,
  aSessionOverridesItsAgent,
  aSessionKeepsTheVersionItBeganWith,
  sessionsAreFoundByEveryFilter,
  sessionsArePagedForthAndBack,
  aSessionEndsByArchiveOrDelete,
  aRunningSessionIsNeitherArchivedNorDeleted,
  aBudgetHoldsASessionUntilItIsRaised,
  aModelThatNobodyServesIsNamed,
];
