// Agents: their life, their versions, their lists, and rosters in all three generations.
import assert from 'node:assert/strict';
import Anthropic from '@anthropic-ai/sdk';
import * as w from './world.mjs';

async function anAgentLivesFromVersionToVersion(): Promise<void> {
  const name = w.unique('reader');
  const made = await w.agents.create({
    name,
    model: w.MODEL,
    description: 'Reads.',
    system: 'You read.',
    tools: [w.TOOLSET, w.LOOKUP],
    metadata: { team: 'a', tier: '1' },
  });
  assert.deepEqual([made.type, made.version, made.name, made.model.id], ['agent', 1, name, w.MODEL]);
  assert.deepEqual(made.metadata, { team: 'a', tier: '1' });
  assert.deepEqual(w.kinds(made.tools), [w.TOOLSET.type, 'custom']);
  const toolset = w.only(made.tools, w.TOOLSET.type);
  assert.deepEqual(toolset.default_config, { enabled: true, permission_policy: { type: 'always_allow' } });
  assert.deepEqual(w.only(made.tools, 'custom'), w.LOOKUP);
  assert.deepEqual([made.archived_at, made.multiagent, made.mcp_servers, made.skills], [null, null, [], []]);
  assert.deepEqual(await w.agents.retrieve(made.id), made);

  const metadata = { tier: null, zone: 'eu' };
  const changed = await w.agents.update(made.id, { version: 1, description: null, metadata });
  assert.deepEqual([changed.version, changed.description, changed.system], [2, null, 'You read.']);
  assert.deepEqual([changed.metadata, changed.tools.length], [{ team: 'a', zone: 'eu' }, 2]);
  assert.equal((await w.agents.update(made.id, { version: 2, system: 'You read.' })).version, 2, 'nothing changed');
  assert.deepEqual((await w.agents.update(made.id, { version: 2, tools: [] })).tools, []);

  const versions = await w.all(w.agents.versions.list(made.id));
  assert.deepEqual(versions.map((one) => one.version), [3, 2, 1]);
  assert.deepEqual(await w.agents.retrieve(made.id, { version: 1 }), made);
  await w.raises(Anthropic.NotFoundError, () => w.agents.retrieve(made.id, { version: 9 }));

  assert.ok((await w.agents.archive(made.id)).archived_at);
  await w.raises(Anthropic.BadRequestError, () => w.agents.update(made.id, { version: 3, name: 'other' }));
}

async function anUpdateOfAStaleVersionIsAConflictThatIsNotRetried(): Promise<void> {
  const made = await w.agent();
  const asked: string[] = [];
  const { agents } = w.client.withOptions({
    fetch: (url, init) => {
      asked.push(`${init?.method} ${url}`);
      return fetch(url, init);
    },
  }).beta;
  await agents.update(made.id, { version: 1, name: 'second' });

  const error = await w.raises(Anthropic.ConflictError, () => agents.update(made.id, { version: 1, name: 'third' }));

  assert.deepEqual([error.status, error.type], [409, 'conflict_error']);
  assert.equal(asked.length, 2);
  assert.ok(asked.every((one) => one.toLowerCase().startsWith('post ') && one.includes(`/v1/agents/${made.id}`)));
  assert.equal((await agents.retrieve(made.id)).name, 'second');
}

async function listsOfAgentsComeInPagesNewestFirst(): Promise<void> {
  const made: w.Agent[] = [];
  for (let n = 0; n < 5; n++) made.unshift(await w.agent({ name: w.unique('paged') }));
  const ids = w.ids(made);
  const since = { 'created_at[gte]': made[4]!.created_at };

  const first = await w.agents.list({ limit: 2, ...since });
  assert.deepEqual(w.ids(first.data), ids.slice(0, 2));
  assert.ok(first.hasNextPage());
  assert.deepEqual(w.ids((await first.getNextPage()).data), ids.slice(2, 4));
  assert.deepEqual(w.ids(await w.all(w.agents.list({ limit: 2, ...since }))), ids);

  await w.agents.archive(ids[1]!);
  assert.deepEqual(w.ids(await w.all(w.agents.list(since))), [ids[0], ...ids.slice(2)]);
  assert.deepEqual(w.ids(await w.all(w.agents.list({ include_archived: true, ...since }))), ids);
}

async function theModelIsAnsweredAsAnObject(): Promise<void> {
  const made = await w.agent({ model: { id: w.MODEL, speed: 'standard', effort: 'high' } });
  assert.deepEqual([made.model.id, made.model.speed, made.model.effort], [w.MODEL, 'standard', { type: 'high' }]);

  const replaced = await w.agents.update(made.id, { version: 1, model: 'another' });
  assert.equal(replaced.model.id, 'another');
}

async function permissionsOfToolsAreAnsweredResolved(): Promise<void> {
  const made = await w.agent({
    tools: [
      {
        ...w.TOOLSET,
        default_config: { enabled: false },
        configs: [
          { name: 'bash', enabled: true, permission_policy: { type: 'always_ask' } },
          { name: 'read', enabled: true },
        ],
      },
    ],
  });
  const toolset = w.only(made.tools, w.TOOLSET.type);
  assert.equal(toolset.default_config.enabled, false);
  const [bash, read] = (['bash', 'read'] as const).map((name) => toolset.configs.find((one) => one.name === name));
  assert.deepEqual([bash?.enabled, bash?.permission_policy.type], [true, 'always_ask']);
  assert.deepEqual([read?.enabled, read?.permission_policy.type], [true, 'always_allow']);
}

/** The id and version of each of a coordinator's agents. */
function pinned(agent: w.Agent): [string, number][] {
  assert.ok(agent.multiagent?.type === 'coordinator');
  return w.of(agent.multiagent.agents, 'agent').map((one) => [one.id, one.version]);
}

async function aCoordinatorPinsItsRoster(): Promise<void> {
  const reader = await w.agent({ name: 'reader' });
  const writer = await w.agent({ name: 'writer' });
  await w.agents.update(writer.id, { version: 1, description: 'Writes.' });

  const first = { type: 'agent', id: writer.id, version: 1 } as const;
  const made = await w.agent({
    name: 'lead',
    multiagent: { type: 'coordinator', agents: [reader.id, first, { type: 'self' }] },
  });

  assert.deepEqual(pinned(made), [[reader.id, 1], [writer.id, 1], [made.id, 1]]);
  assert.equal((await w.agents.update(made.id, { version: 1, multiagent: null })).multiagent, null);
  const twice = () => w.agent({ multiagent: { type: 'coordinator', agents: [reader.id, reader.id] } });
  await w.raises(Anthropic.BadRequestError, twice, 'multiagent');
}

async function theNewestRosterIsMergedLevelByLevel(): Promise<void> {
  const reader = await w.agent({ name: 'reader' });
  const made = await w.agent({
    name: 'lead',
    multiagent: {
      type: 'multiagent_20261001',
      subagents: { type: 'enabled', predefined_agents: [reader.id], inline_agents: { type: 'disabled' } },
    },
  });
  const shown = made.multiagent;
  assert.ok(shown?.type === 'multiagent_20261001' && shown.subagents.type === 'enabled');
  assert.deepEqual(shown.subagents.inline_agents, { type: 'disabled' });
  assert.deepEqual(w.ids(shown.subagents.predefined_agents), [reader.id]);
  assert.equal(shown.workflows.type, 'enabled');
  assert.deepEqual(shown.advisor, { type: 'disabled' });

  const multiagent = { type: 'multiagent_20261001', workflows: { type: 'disabled' } } as const;
  const changed = (await w.agents.update(made.id, { version: 1, multiagent })).multiagent;
  assert.ok(changed?.type === 'multiagent_20261001');
  assert.deepEqual(changed.workflows, { type: 'disabled' });
  assert.deepEqual(changed.subagents, shown.subagents, 'what was left out is kept');
}

async function oldPreviewsAreRead(): Promise<void> {
  const reader = await w.agent({ name: 'reader', tools: w.untyped([{ type: 'read' }, { type: 'web_search' }]) });
  const toolset = w.only(reader.tools, w.TOOLSET.type);
  const enabled = toolset.configs.filter((one) => one.enabled).map((one) => one.name);
  assert.ok(enabled.includes('read') && enabled.includes('web_search'));

  const old = { callable_agents: [{ type: 'agent', id: reader.id }] };
  const lead = await w.agent({ name: 'lead', ...w.untyped<object>(old) });
  assert.deepEqual(pinned(lead), [[reader.id, 1]]);
}

async function podiumsOwnFieldsAreKept(): Promise<void> {
  const schema = { type: 'object', properties: { topic: { type: 'string' } }, required: ['topic'] };
  const given = { input_schema: schema, output_schema: schema, limits: { turns: 3 } };
  const made = w.untyped<typeof given>(await w.agent({ ...w.untyped<object>(given) }));

  assert.deepEqual([made.input_schema, made.output_schema, made.limits.turns], [schema, schema, 3]);
}

async function whatCannotBeIsRefusedByName(): Promise<void> {
  const cases: [Record<string, unknown>, string][] = [
    [{ name: '' }, 'name'],
    [{ tools: [{ type: 'custom', name: 'mcp__x', description: '', input_schema: { type: 'object' } }] }, 'tools'],
    [{ system: 'x'.repeat(100_001) }, 'system'],
    [{ metadata: Object.fromEntries(Array.from({ length: 17 }, (_, n) => [n, ''])) }, 'metadata'],
    [{ skills: [{ type: 'custom', skill_id: 'skill_1' }] }, 'skills'],
    [{ mcp_servers: [{ type: 'url', name: 'm', url: 'https://example.invalid' }] }, 'mcp_servers'],
    [{ multiagent: { type: 'coordinator', agents: [] } }, 'multiagent'],
    [{ descripton: 'typo' }, 'descripton'],
  ];
  for (const [given, field] of cases) await w.raises(Anthropic.BadRequestError, () => w.agent(given), field);
}

export const FLOWS = [
  anAgentLivesFromVersionToVersion,
  anUpdateOfAStaleVersionIsAConflictThatIsNotRetried,
  listsOfAgentsComeInPagesNewestFirst,
  theModelIsAnsweredAsAnObject,
  permissionsOfToolsAreAnsweredResolved,
  aCoordinatorPinsItsRoster,
  theNewestRosterIsMergedLevelByLevel,
  oldPreviewsAreRead,
  podiumsOwnFieldsAreKept,
  whatCannotBeIsRefusedByName,
];
