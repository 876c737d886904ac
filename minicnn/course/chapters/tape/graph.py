"""Exercises: walking back through the graph of a computation."""

from __future__ import annotations

from ...exercise import Exercise, mistake
from . import inputs, solution

order = Exercise(
    solution.topological_order,
    inputs.graphs,
    returns="order",
    hints=(
        "A function that visits a node can call itself for the parents.",
        "Append the node after the loop over its parents, and remember which nodes were visited.",
    ),
    mistakes=(
        mistake(
            "node before its parents",
            "It appends a node before it visits the parents. A node comes after all of its "
            "parents: append it after the loop.",
            ("            for parent", "            order.append(name)\n            for parent"),
            ("visit(parent)\n            order.append(name)", "visit(parent)"),
        ),
        mistake(
            "order reversed",
            "Its order is reversed: the result comes first, and should come last.",
            ("return order", "return order[::-1]"),
        ),
        mistake(
            "nodes repeated",
            "It lists a node again each time the node is used: keep a set of those that were "
            "visited.",
            ("            seen.add(name)\n", ""),
        ),
        mistake(
            "result left out",
            "It leaves out the result itself, which is the last of the list.",
            ("return order", "return order[:-1]"),
        ),
        mistake(
            "inputs left out",
            "It leaves out nodes without parents: the inputs need gradients more than all others.",
            ("order.append(name)", "order += [name] if parents[name] else []"),
        ),
        mistake(
            "nodes that are not needed",
            "It lists nodes that the result does not depend on: start at the output and go to "
            "parents only.",
            ("    visit(output)\n", "    for name in parents:\n        visit(name)\n"),
        ),
        mistake(
            "last parent first",
            "It visits the parents from last to first; the order asked for begins with the first.",
            ("in parents[name]:", "in reversed(parents[name]):"),
        ),
        mistake(
            "breadth first",
            "It goes through the graph level by level. Then a node can come before one that it "
            "needs, if ways of different length lead to it.",
            body="""
            order, waiting = [], [output]
            while waiting:
                name = waiting.pop(0)
                if name not in order:
                    order.append(name)
                    waiting += parents[name]
            return order[::-1]
            """,
        ),
    ),
)  # fmt: skip

backward = Exercise(
    solution.backward,
    inputs.tapes,
    returns="gradients",
    needs=("topological_order",),
    hints=(
        "Begin with {output: 1.0} and go through topological_order backwards.",
        "When a node's turn comes, all nodes that use it have had theirs: its gradient is "
        "complete.",
        "Each parent gets the node's gradient times the slope, added to what it has.",
    ),
    mistakes=(
        mistake(
            "overwritten, not added",
            "When a node is used several times, only one use counts: add to the gradient that is "
            "there instead of replacing it.",
            ("gradients.get(parent, 0.0) + ", ""),
        ),
        mistake(
            "begun with 0",
            "It begins with a gradient of 0 at the result, so all are 0. The derivative of the "
            "result with respect to itself is 1.",
            ("{output: 1.0}", "{output: 0.0}"),
        ),
        mistake(
            "from the inputs on",
            "It goes through the nodes from the inputs to the result. Gradients flow the other "
            "way: reverse the order.",
            ("reversed(topological_order(output, parents))", "topological_order(output, parents)"),
            ("gradients[name] * slope", "gradients.get(name, 0.0) * slope"),
        ),
        mistake(
            "incomplete gradients passed on",
            "It passes a gradient on before all of it has come, and parts of it again later. A "
            "node's turn is after all nodes that use it: follow the topological order.",
            body="""
            gradients = {output: 1.0}

            def visit(name):
                for parent, slope in zip(parents[name], slopes[name]):
                    gradients[parent] = gradients.get(parent, 0.0) + gradients[name] * slope
                    visit(parent)

            visit(output)
            return gradients
            """,
        ),
        mistake(
            "slopes only",
            "It adds up the slopes without the gradient of the node: by the chain rule they are "
            "multiplied.",
            ("gradients[name] * slope", "slope"),
        ),
        mistake(
            "slope added",
            "It adds the slope to the node's gradient; the chain rule multiplies.",
            ("gradients[name] * slope", "gradients[name] + slope"),
        ),
        mistake(
            "a parent twice counted once",
            "Where a node is a parent twice, as in x x, it takes one of the two slopes. Both "
            "count.",
            ("zip(parents[name], slopes[name], strict=True)",
             "dict(zip(parents[name], slopes[name])).items()"),
        ),
        mistake(
            "result left out",
            "It returns no gradient for the result itself, which is 1.",
            ("return gradients", "return {n: g for n, g in gradients.items() if n != output}"),
        ),
    ),
)  # fmt: skip
