"""What an expression gives, and what its evaluation does."""

import ast
from collections.abc import Sequence

from slicing.names import Names
from slicing.things import FACTS, Scope, Thing, parts_of

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Expressions(Names):
    """Walks over expressions."""

    def value(self, node: ast.expr | None) -> Thing:
        """What an expression gives."""
        match node:
            case None | ast.Constant():
                return Thing()
            case ast.Name(id=name):
                return self.look_up(name)
            case ast.Call():
                return self.call(node)
            case ast.Attribute(value=base, attr=attribute):
                return self.attribute(self.value(base), attribute)
            case ast.Subscript(value=base, slice=index):
                thing = self.value(base)
                self.use(thing)
                self.value(index)
                return self.item(thing) if thing.kind != "import" else thing
            case ast.NamedExpr(target=target, value=source):
                thing = self.value(source)
                self.bind(target, thing, sure=not self.scope.passing)
                return thing
            case ast.Lambda():
                return self.function(node)
            case ast.IfExp(test=test, body=first, orelse=second):
                self.use(self.value(test))
                return Thing("part", holds=[self.value(first), self.value(second)])
            case ast.BoolOp(values=values):
                return Thing("part", holds=[self.value(part) for part in values])
            case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts):
                return Thing("container", holds=[self.value(part) for part in parts])
            case ast.Dict(keys=keys, values=values):
                return Thing("container", holds=[self.value(part) for part in [*keys, *values]])
            case ast.Starred(value=inner) | ast.Await(value=inner):
                return self.item(self.value(inner))
            case ast.ListComp(elt=made) | ast.SetComp(elt=made) | ast.GeneratorExp(elt=made):
                kind = "iterator" if isinstance(node, ast.GeneratorExp) else "container"
                return self.comprehension(node.generators, [made], kind, node)
            case ast.DictComp(key=key, value=made):
                return self.comprehension(node.generators, [key, made], "container", node)
            case ast.Yield(value=inner) | ast.YieldFrom(value=inner):
                self.scope.returned.append(thing := self.value(inner))
                return thing
        parts = [self.value(part) for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)]
        for part in parts:  # an operator, a comparison, an f-string, a slice
            self.use(part)
        shared = [part for part in parts if part.kind != "data"] if isinstance(node, ast.BinOp) else []
        return Thing("container" if shared else "data", holds=shared, made_from=parts)

    def attribute(self, thing: Thing, name: str) -> Thing:
        """A part of an object, a name of a library, a fact about an array."""
        if thing.kind == "import":
            return Thing("import", path=f"{thing.path}.{name}")
        if name == "grad":
            self.read_gradients(thing)
        if name in FACTS:
            return Thing()
        parts = [thing, Thing("bound", holds=[thing], path=name)]
        for owner in [part for part in parts_of(thing) if part.kind in ("object", "class", "super")]:
            if found := owner.method(name):  # a property, or a method that is passed on
                parts += [found, self.run(found, [owner] if owner.kind == "object" else [])]
        return thing if thing.kind == "data" else Thing("part", holds=parts)

    def comprehension(
        self, generators: list[ast.comprehension], made: list[ast.expr], kind: str, node: ast.expr
    ) -> Thing:
        """A loop within an expression, with names of its own. A generator's loop runs when it is read."""
        outer, self.scope = self.scope, Scope(self.scope, passing=True)
        for generator in generators:
            self.scope.passing = False
            for target, thing in self.items(generator.target, generator.iter):
                self.bind(target, thing)
            self.scope.passing = True
            for test in generator.ifs:
                self.use(self.value(test))
        things = [self.value(part) for part in made]
        self.scope = outer
        later = node if kind == "iterator" else None
        return Thing(kind, holds=things, node=later, scope=outer)

    def items(self, target: ast.expr, source: ast.expr) -> list[tuple[ast.expr, Thing]]:
        """What the targets of a loop stand for: each of its own iterable, where zip or enumerate says which."""
        thing = self.value(source)
        self.use(thing)
        match target, source:
            case ast.Tuple(elts=parts), ast.Call(func=ast.Name(id="zip"), args=args) if len(parts) == len(args):
                return [(part, self.item(self.value(arg))) for part, arg in zip(parts, args, strict=True)]
            case ast.Tuple(elts=[first, second]), ast.Call(func=ast.Name(id="enumerate"), args=[arg, *_]):
                return [(first, Thing()), (second, self.item(self.value(arg)))]
        return [(target, self.item(thing))]

    def use(self, thing: Thing) -> None:
        """An operator, a loop or a print meets a thing: the page's own special methods run."""
        for part in parts_of(thing):
            if part.kind == "object":
                for method in part.dunders():
                    self.run(method, [part])
                if part.random and "Loader" in part.path:
                    self.draw("torch")

    def function(self, node: Function | ast.Lambda) -> Thing:
        """A function of the page: its defaults and annotations are read now, its body at every call."""
        thing = Thing("function", node=node, scope=self.scope)
        args = node.args
        every = [*args.posonlyargs, *args.args, *args.kwonlyargs]
        for given in every + [extra for extra in (args.vararg, args.kwarg) if extra]:
            if given.annotation:
                self.value(given.annotation)
        if isinstance(node, Function) and node.returns:
            self.value(node.returns)
        positional = [*args.posonlyargs, *args.args]
        with_default = positional[len(positional) - len(args.defaults) :] + args.kwonlyargs
        for given, default in zip(with_default, [*args.defaults, *args.kw_defaults], strict=True):
            if default is not None:
                thing.defaults[given.arg] = self.value(default)
        thing.holds |= set(thing.defaults.values())
        return thing

    def loop(self, target: ast.expr, source: ast.expr, body) -> None:
        """Walk twice over what a loop does, so that the second round sees what the first left."""
        parts = self.items(target, source)
        before = set(self.effect.binds)
        for _ in range(2):
            for part, thing in parts:
                self.bind(part, thing)
            body()
        self.effect.changes |= self.effect.binds - before
        self.effect.binds = before

    # What the other files add

    def call(self, node: ast.Call, discarded: bool = False) -> Thing:
        """A call."""
        raise NotImplementedError

    def run(self, function: Thing, args: Sequence[Thing], named: dict[str, Thing] | None = None) -> Thing:
        """Walk through the body of a function."""
        raise NotImplementedError
