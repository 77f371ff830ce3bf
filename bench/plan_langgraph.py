"""The steps of plan.py in LangGraph, with its environment alone."""

import asyncio
import os
import tempfile
import time
from operator import or_
from typing import Annotated, TypedDict

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph


class State(TypedDict):
    results: Annotated[dict, or_]


async def on_langgraph(steps, *, durable: bool = False) -> float:
    """A graph with a node for each step; a node with several edges into it waits for all of them."""

    def node(id: str):
        async def take(state):
            seconds, needs = steps[id]
            assert all(state["results"][each] == f"result of {each}" for each in needs)
            await asyncio.sleep(seconds)
            return {"results": {id: f"result of {id}"}}

        return take

    builder = StateGraph(State)
    for id in steps:
        builder.add_node(id, node(id))
    needed = {each for _, needs in steps.values() for each in needs}
    for id, (_, needs) in steps.items():
        builder.add_edge(needs if len(needs) > 1 else needs[0] if needs else START, id)
        if id not in needed:
            builder.add_edge(id, END)
    how = {"configurable": {"thread_id": "1"}, "recursion_limit": 1000}
    with tempfile.TemporaryDirectory() as folder:
        async with AsyncSqliteSaver.from_conn_string(os.path.join(folder, "checkpoints.db")) as saver:
            await saver.setup()
            graph = builder.compile(checkpointer=saver if durable else None)
            began = time.perf_counter()
            made = await graph.ainvoke({"results": {}}, how)
            wall = time.perf_counter() - began
    assert set(made["results"]) == set(steps)
    return wall
