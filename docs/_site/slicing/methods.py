"""What a call of a method does, and how a function of the page is walked through."""

import ast
from collections.abc import Sequence

from slicing.calls import Calls
from slicing.expressions import Function
from slicing.things import (
    CONTAINER_CHANGES,
    DRAW_METHOD,
    OBJECT_CHANGES,
    OBJECT_READS,
    SEED,
    STEADY,
    UNSTEADY,
    VIEWS,
    Scope,
    Thing,
    parts_of,
    reach,
)

DEEPEST = 25  # calls within calls: a recursion that the walk does not recognize ends there


class Methods(Calls):
    """Walks over calls of methods, and through the functions of the page."""

    def method(self, owner: Thing, name: str, args: list[Thing], named: dict[str, Thing], discarded: bool) -> Thing:
        """Call a method."""
        everything, parts = [*args, *named.values()], parts_of(owner)
        objects = [part for part in parts if part.kind == "object"]
        results = []
        for part in parts:
            if part.kind == "super":
                selves = [held for held in part.holds if held.kind == "object"]
                found = [base.method(name) for made in selves for cls in made.bases for base in cls.bases]
                results += [self.run(method, [*selves, *args], named) for method in found if method]
            elif part.kind in ("object", "class") and (found := part.method(name)):
                results.append(self.run(found, [part, *args], named))
            elif part.kind == "function" and part is not owner:
                results.append(self.run(part, args, named))

        if name == "backward":
            self._touch(reach(owner, *everything, gradients=True), gradients_only=True)
        elif name == "zero_grad":
            self.change(owner, gradients_only=True)
        else:
            if name == "step":
                self.read_gradients(owner)
            self.method_changes(owner, name, objects, everything, discarded)
        if DRAW_METHOD.fullmatch(name) and "generator" not in named:
            self.draw("torch")
        if SEED.fullmatch(name):
            self.change(owner)
        if not name.startswith("register_"):
            self.hand_over(everything)
        for part in objects:
            if name in OBJECT_READS | OBJECT_CHANGES or part.method(name):
                continue
            if part.random or UNSTEADY.match(part.path):
                self.draw("torch")

        if owner.kind == "data":
            return owner if name in VIEWS or name.endswith("_") else Thing(made_from=[owner, *everything])
        if owner.kind == "container":
            return Thing("part", holds=[*owner.holds, *everything])
        return Thing("part", holds=[owner, *results, *everything], made_from=[owner, *everything])

    def method_changes(
        self, owner: Thing, name: str, objects: list[Thing], given: list[Thing], discarded: bool
    ) -> None:
        """Whether a method changes what it belongs to, or what it is given."""
        container = owner.kind == "container" or (owner.kind in ("part", "iterator") and not objects)
        if container and name in CONTAINER_CHANGES:
            self.change(owner, deep=owner.kind != "container")
            owner.holds.update(given)
        elif name.endswith("_") and not name.endswith("__"):
            self.change(owner)
        elif objects and (name in OBJECT_CHANGES or name.startswith("register_")):
            self.change(owner)
            for part in objects:
                part.holds.update(thing for thing in given if thing.kind != "data")
        elif any(part.path and not STEADY.match(part.path) for part in objects) and name not in OBJECT_READS:
            self.change(owner, *(thing for thing in given if thing.kind != "data"))
        elif discarded:
            self.change(owner, deep=owner.kind != "container")

    def run(self, function: Thing, args: Sequence[Thing], named: dict[str, Thing] | None = None) -> Thing:
        """Walk through the body of a function of the page, with what it is given."""
        named = named or {}
        everything = [*args, *named.values()]
        if function in self.stack or len(self.stack) > DEEPEST:
            return Thing("part", holds=everything, made_from=everything)
        node, outer = function.node, self.scope
        self.stack.append(function)
        self.selves.append(args[0] if args else None)
        self.scope = scope = Scope(function.scope)
        before = set(self.effect.binds)
        if isinstance(node, Function | ast.Lambda):
            scope.names.update(_arguments(function, node.args, args, named))
        if isinstance(node, Function):
            self.block(node.body)
        elif isinstance(node, ast.Lambda):
            scope.returned.append(self.value(node.body))
        elif isinstance(node, ast.GeneratorExp):
            scope.returned.append(self.comprehension(node.generators, [node.elt], "container", node))
        self.effect.changes |= self.effect.binds - before
        self.effect.binds = before
        self.scope = outer
        self.stack.pop()
        self.selves.pop()
        lazy = isinstance(node, Function) and any(isinstance(p, ast.Yield | ast.YieldFrom) for p in ast.walk(node))
        if len(scope.returned) == 1 and not lazy:
            return scope.returned[0]
        return Thing("iterator" if lazy else "part", holds=scope.returned)

    # What the other files add

    def block(self, body: Sequence[ast.stmt], sure: bool = True) -> None:
        """Walk over statements."""
        raise NotImplementedError


def _arguments(
    function: Thing, spec: ast.arguments, args: Sequence[Thing], named: dict[str, Thing]
) -> dict[str, Thing]:
    """The arguments of a call by name; where stars leave it open, each may be any of them."""
    positional = [given.arg for given in [*spec.posonlyargs, *spec.args]]
    names = [*positional, *(given.arg for given in spec.kwonlyargs)]
    everything = Thing("part", holds=[*args, *named.values()])
    if "**" in named:
        found = dict.fromkeys(names, everything)
        if args and args[0].kind == "object":
            found |= dict(zip(positional[:1], args[:1], strict=False))
    else:
        found = function.defaults | dict(zip(positional, args, strict=False)) | named
        found = {name: found.get(name) or everything for name in names}
    for extra in (spec.vararg, spec.kwarg):
        if extra:
            found[extra.arg] = Thing("container", holds=everything.holds)
    return found
