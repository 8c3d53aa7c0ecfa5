"""What each statement of a page reads, binds and changes, found by walking over its code without running it.

Functions and classes of the page are walked through at every call, with what the call gives them. Beside the page's
names there are a few that no code has: `x.grad` (what `backward` writes), `<torch>`, `<numpy>`, `<random>` (the states
of the random generators) and `<settings>`.
"""

import ast
import builtins
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from things import (
    CALM_BUILTINS,
    CONTAINER_CHANGES,
    CONTAINERS,
    COUNTING,
    DRAW,
    DRAW_METHOD,
    EVERYTHING,
    FACTS,
    ITERATORS,
    NEW_BUILTINS,
    OBJECT_CHANGES,
    OBJECT_READS,
    PURE_ROOTS,
    QUIET,
    SEED,
    STEADY,
    UNSTEADY,
    VIEWS,
    Scope,
    Thing,
    reach,
)

DEEPEST = 25  # calls within calls: a recursion that the walk does not recognise ends there
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class Effect:
    """What a statement does to the names of its page."""

    reads: set[str] = field(default_factory=set)  # before it binds them itself
    binds: set[str] = field(default_factory=set)  # for sure, so that what they were before is gone
    changes: set[str] = field(default_factory=set)  # perhaps, or in part


class Reader:
    """Reads the statements of a page one after another."""

    def __init__(self) -> None:
        self.page = self.scope = Scope()
        self.seeded: set[str] = set()  # without a seed, no output can depend on the numbers that are drawn
        self.effect = Effect()
        self.stack: list[Thing] = []
        self.selves: list[Thing | None] = []

    def read(self, code: str, shows: bool = False) -> Effect:
        """The effect of one statement. `shows`: it is an expression whose value is the point of it."""
        self.effect = Effect(reads={"<settings>"})
        for node in ast.parse(code).body:
            if shows and isinstance(node, ast.Expr):
                self.value(node.value)
            else:
                self.block([node])
        return self.effect

    # Names

    def look_up(self, name: str) -> Thing:
        """What a name stands for; at the page's level, it is read."""
        owner = self.scope.owner(name)
        if owner is None and hasattr(builtins, name):
            if name in EVERYTHING:
                self.effect.reads.add("*")
            return Thing("import", path=f"builtins.{name}")
        if owner in (None, self.page):
            self._reads(name)
        thing = owner.names[name] if owner else Thing("import", path=f"?.{name}")
        for part in reach(thing):
            if part.kind == "iterator":
                self.change(part, deep=False)
                self.hand_over([part])
        if thing.kind == "import":
            self._reads(f"<settings of {thing.path.partition('.')[0]}>", only_if_seeded=True)
        return thing

    def _reads(self, name: str, only_if_seeded: bool = False) -> None:
        if name not in self.effect.binds and (not only_if_seeded or name in self.seeded):
            self.effect.reads.add(name)

    def bind(self, target: ast.expr, thing: Thing, sure: bool = True) -> None:
        """Assign to a name, to several, or to a part of something."""
        match target:
            case ast.Name(id=name):
                self.bind_name(name, thing, sure)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                for part in parts:
                    self.bind(part, self.item(thing), sure)
            case ast.Starred(value=inner):
                self.bind(inner, thing, sure)
            case ast.Attribute(value=base, attr="grad"):
                if isinstance(base, ast.Name) and self.scope is self.page:
                    self._reads(base.id)
                    self.effect.binds.add(f"{base.id}.grad")
                else:
                    self.change(self.value(base), gradients_only=True)
            case ast.Attribute(value=base) | ast.Subscript(value=base):
                owner = self.value(base)
                if isinstance(target, ast.Subscript):
                    self.value(target.slice)
                    self.use(owner)
                self.change(owner, deep=owner.kind not in ("container", "object"))
                if owner.kind != "data":
                    owner.holds.add(thing)

    def bind_name(self, name: str, thing: Thing, sure: bool = True) -> None:
        """Let a name stand for a thing, in the scope where an assignment here would put it."""
        scope = self.scope
        while scope.passing and scope.parent:
            scope = scope.parent
        if name in scope.elsewhere:
            self._touch({*self.stack}, gradients_only=False)
            scope, sure = (scope.parent and scope.parent.owner(name)) or self.page, False
        old = scope.names.get(name)
        if scope is self.page:
            if sure:
                self.effect.binds |= {name, f"{name}.grad"}
            else:
                self.effect.changes |= {name, f"{name}.grad"}
                plain = old is None or (old.kind == thing.kind == "data" and not old.holds | thing.holds)
                thing = thing if plain or old is None else Thing("part", holds=[old, thing])
        scope.names[name] = thing

    def change(self, *things: Thing, deep: bool = True, gradients_only: bool = False) -> None:
        """Something happens to these things: to every name of the page that reaches them."""
        hit = reach(*things) if deep else set(things)
        if any(thing.kind == "import" for thing in things):
            self._set_up(next(thing for thing in things if thing.kind == "import").path)
        self._touch({thing for thing in hit if thing.kind not in ("import", "class")}, gradients_only)

    def _touch(self, hit: set[Thing], gradients_only: bool) -> None:
        for name, thing in self.page.names.items():
            if thing.kind != "import" and reach(thing) & hit:
                self.effect.changes |= {f"{name}.grad"} if gradients_only else {name, f"{name}.grad"}

    def _set_up(self, path: str) -> None:
        """A call for the sake of the library's own state: how it prints, what is drawn so far."""
        root = path.partition(".")[0]
        name = "<settings>" if root in ("torch", "numpy", "builtins", "warnings", "?") else f"<settings of {root}>"
        self.seeded.add(name)
        self._reads(name)
        self.effect.changes.add(name)

    def read_gradients(self, *things: Thing) -> None:
        """The gradients of these things are read."""
        wanted = reach(*things)
        for name, thing in self.page.names.items():
            if thing.kind != "import" and reach(thing) & wanted:
                self._reads(f"{name}.grad")

    def draw(self, stream: str) -> None:
        """Take a random number. It depends on the seed and on all that were drawn since."""
        self._reads(f"<{stream}>", only_if_seeded=True)
        self.effect.changes.add(f"<{stream}>")

    def seed(self, streams: Iterable[str], sure: bool) -> None:
        """Start random generators anew."""
        for name in (f"<{stream}>" for stream in streams):
            (self.effect.binds if sure else self.effect.changes).add(name)
            self.seeded.add(name)

    # Statements

    def block(self, body: Sequence[ast.stmt], sure: bool = True) -> None:
        """Walk over statements. `sure`: they run, once and all of them."""
        for node in body:
            self.statement(node, sure)

    def branches(self, *bodies: Sequence[ast.stmt]) -> None:
        """Walk over blocks of which some may not run; what all of them bind is bound."""
        before, bound = set(self.effect.binds), []
        for body in bodies:
            self.effect.binds = set(before)
            self.block(body)
            bound.append(self.effect.binds)
        self.effect.binds = set.intersection(*bound)
        for branch in bound:
            self.effect.changes |= branch - self.effect.binds

    def statement(self, node: ast.stmt, sure: bool = True) -> None:
        """Walk over one statement."""
        match node:
            case ast.Expr(value=ast.Call() as call):
                self.call(call, discarded=True)
            case ast.Expr(value=inner):
                self.value(inner)
            case ast.Assign(targets=[ast.Name(id="_")], value=ast.Call() as call):
                self.bind_name("_", self.call(call, discarded=True), sure)
            case ast.Assign(targets=targets, value=source):
                if len(targets) == 1:
                    self.assign(targets[0], source)
                else:
                    thing = self.value(source)
                    for target in targets:
                        self.bind(target, thing)
            case ast.AnnAssign(target=target, annotation=note, value=source):
                self.value(note)
                if source is not None:
                    self.assign(target, source)
            case ast.AugAssign(target=target, value=source):
                owner, added = self.value(_loaded(target)), self.value(source)
                self.use(owner)
                if owner.kind != "data":
                    owner.holds.add(added)
                self.change(owner, deep=owner.kind != "container")
                if isinstance(target, ast.Name):
                    self.bind_name(target.id, owner, sure=False)
            case ast.Import(names=names):
                for alias in names:
                    path = alias.name if alias.asname else alias.name.partition(".")[0]
                    name = alias.asname or path
                    self.bind_name(name, Thing("import", path=path), sure=bool(alias.asname) or path == alias.name)
            case ast.ImportFrom(module=module, names=names):
                for alias in names:
                    if alias.name == "*":
                        self.effect.changes.add("*")
                    else:
                        self.bind_name(alias.asname or alias.name, Thing("import", path=f"{module}.{alias.name}"))
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self.bind_name(node.name, self.decorated(node, self.function(node)))
            case ast.ClassDef():
                self.bind_name(node.name, self.decorated(node, self.page_class(node)))
            case ast.For(target=target, iter=source) | ast.AsyncFor(target=target, iter=source):
                self.loop(target, source, lambda: self.block(node.body))
                self.branches(node.orelse, [])
            case ast.While(test=test):
                for _ in range(2):
                    self.value(test)
                    self.branches(node.body, node.orelse)
            case ast.If(test=test):
                self.use(self.value(test))
                self.branches(node.body, node.orelse)
            case ast.With(items=items) | ast.AsyncWith(items=items):
                for item in items:
                    thing = self.value(item.context_expr)
                    self.use(thing)
                    if any(part.kind in ("object", "iterator") for part in reach(thing)):
                        self.change(thing)
                    if item.optional_vars:
                        self.bind(item.optional_vars, thing)
                self.block(node.body)
            case ast.Try() | ast.TryStar():
                self.branches(node.body, [])
                for handler in node.handlers:
                    if handler.type:
                        self.value(handler.type)
                    if handler.name:
                        self.bind_name(handler.name, Thing(), sure=False)
                    self.branches(handler.body, [])
                self.branches(node.orelse, [])
                self.block(node.finalbody)
            case ast.Match(subject=subject, cases=cases):
                thing = self.value(subject)
                self.use(thing)
                for case in cases:
                    for part in ast.walk(case.pattern):
                        name = getattr(part, "name", None) or getattr(part, "rest", None)
                        if name:
                            self.bind_name(name, thing, sure=False)
                        if isinstance(part, ast.expr):
                            self.value(part)
                    if case.guard:
                        self.value(case.guard)
                self.branches(*(case.body for case in cases), [])
            case ast.Delete(targets=targets):
                for target in targets:
                    if isinstance(target, ast.Name):
                        self.look_up(target.id)
                        self.bind_name(target.id, Thing())
                    else:
                        self.bind(target, Thing())
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                self.scope.elsewhere |= set(names)
            case ast.Return(value=source):
                self.scope.returned.append(self.value(source))
            case _:  # assert, raise, pass and the like
                for part in ast.iter_child_nodes(node):
                    if isinstance(part, ast.expr):
                        self.value(part)

    def assign(self, target: ast.expr, source: ast.expr) -> None:
        """Bind a target to a value, part by part where both are written as tuples."""
        match target, source:
            case ast.Tuple(elts=names) | ast.List(elts=names), ast.Tuple(elts=values) | ast.List(elts=values) if len(
                names
            ) == len(values) and not any(isinstance(part, ast.Starred) for part in [*names, *values]):
                things = [self.value(part) for part in values]
                for name, thing in zip(names, things, strict=True):
                    self.bind(name, thing)
            case _:
                self.bind(target, self.value(source))

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

    @staticmethod
    def item(thing: Thing) -> Thing:
        """A part of something: of an array a view, of anything else one of its parts."""
        return thing if thing.kind in ("data", "part") else Thing("part", holds=thing.holds or [thing])

    # Definitions

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

    def page_class(self, node: ast.ClassDef) -> Thing:
        """A class of the page: its body runs now, its methods at every call."""
        thing = Thing("class", node=node, scope=self.scope)
        thing.bases = [self.value(base) for base in node.bases]
        for keyword in node.keywords:
            self.value(keyword.value)
        outer, self.scope = self.scope, Scope(self.scope)
        self.block(node.body)
        names, self.scope = self.scope.names, outer
        for name, held in names.items():
            held.scope = outer if held.kind == "function" else held.scope  # a method does not see the class's names
            (thing.methods.update({name: held}) if held.kind == "function" else thing.holds.add(held))
        return thing

    def decorated(self, node: Function | ast.ClassDef, thing: Thing) -> Thing:
        """What a decorator of the page makes of a definition; those of libraries leave it what it is."""
        for decorator in reversed(node.decorator_list):
            given = self.value(decorator)
            if any(part.kind == "function" for part in reach(given)):
                thing = Thing("part", holds=[thing, self.apply(given, [thing], {})])
        return thing

    # Expressions

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
        for owner in [part for part in reach(thing) if part.kind in ("object", "class", "super")]:
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

    def use(self, thing: Thing) -> None:
        """An operator, a loop or a print meets a thing: the page's own special methods run."""
        for part in reach(thing):
            if part.kind == "object":
                for method in part.dunders():
                    self.run(method, [part])
                if part.random and "Loader" in part.path:
                    self.draw("torch")

    # Calls

    def call(self, node: ast.Call, discarded: bool = False) -> Thing:
        """A call. What nobody uses the value of (`discarded`) is called for what it changes."""
        method = None
        if isinstance(node.func, ast.Attribute):
            callee = self.value(node.func.value)
            if callee.kind == "import":
                callee = Thing("import", path=f"{callee.path}.{node.func.attr}")
            else:
                method = node.func.attr
        else:
            callee = self.value(node.func)
        args = [self.value(arg) for arg in node.args]
        named = {word.arg or "**": self.value(word.value) for word in node.keywords}
        if any(isinstance(arg, ast.Starred) for arg in node.args) or "**" in named:
            every = Thing("part", holds=[*args, *named.values()])
            args, named = [every], {"**": every}
        for stream_name in ("generator", "rng", "out", "file"):
            if stream_name in named:
                self.change(named[stream_name])
        if method is None:
            thing = self.apply(callee, args, named, discarded)
        else:
            thing = self.method(callee, method, args, named, discarded)
        for word in node.keywords:  # dropout=0.1
            if "dropout" in (word.arg or "") and not (isinstance(word.value, ast.Constant) and not word.value.value):
                thing.random = True
            if word.arg == "shuffle":
                thing.random = True
            if word.arg == "dropout" and isinstance(word.value, ast.Constant) and not word.value.value:
                thing.random = False
        return thing

    def apply(self, callee: Thing, args: list[Thing], named: dict[str, Thing], discarded: bool = False) -> Thing:
        """Call a function, a class or an object."""
        if callee.kind == "import":
            return self.apply_import(callee.path, args, named, discarded)
        if callee.kind == "class":
            made = Thing("object", holds=[callee, *args, *named.values()])
            made.bases = [callee]
            if init := callee.method("__init__"):
                self.run(init, [made, *args], named)
            for base in callee.bases:
                if base.kind == "import":
                    self.apply_import(base.path, [], {}, False)
            return made
        everything = [*args, *named.values()]
        results = []
        for part in reach(callee):
            if part.kind in ("function", "class") and part is not callee and part.kind == "class":
                continue  # the class of an object: its methods run by name
            if part.kind == "function":
                results.append(self.run(part, args, named))
            elif part.kind == "object":
                results.append(self.apply_object(part, args, named, discarded))
            elif part.kind == "bound":
                results += [self.method(owner, part.path, args, named, discarded) for owner in part.holds]
        if not results:  # nothing that is known
            self.change(*(thing for thing in everything if thing.kind != "data"))
            if discarded:
                self.change(*everything)
        return results[0] if len(results) == 1 else Thing("part", holds=[*results, *everything], made_from=everything)

    def apply_object(self, thing: Thing, args: list[Thing], named: dict[str, Thing], discarded: bool) -> Thing:
        """Call an object: a Module of the page by its forward, another by what is known of it."""
        everything = [*args, *named.values()]
        results = [self.run(found, [thing, *args], named) for name in ("__call__", "forward")
                   if (found := thing.method(name))]  # fmt: skip
        if thing.random or UNSTEADY.match(thing.path):
            self.draw("torch")
        if discarded or COUNTING.match(thing.path) or (thing.path and not STEADY.match(thing.path)):
            self.change(thing)
        return Thing("part" if results else "data", holds=[*results, *everything], made_from=[thing, *everything])

    def apply_import(self, path: str, args: list[Thing], named: dict[str, Thing], discarded: bool) -> Thing:
        """Call a function or a class of a library."""
        root, _, rest = path.partition(".")
        name = path.rpartition(".")[2]
        everything = [*args, *named.values()]
        makes_object = any(part[:1].isupper() for part in rest.split(".")) or name.startswith(("load", "from_pretrained"))
        if root == "builtins":
            return self.apply_builtin(name, args, named)

        if name.endswith("_"):
            self.change(*args[:1])
        if root not in PURE_ROOTS or path.startswith("attnref.tasks"):
            self.change(*(part for part in everything if any(p.kind == "object" for p in reach(part))))
        if name.startswith("clip_grad"):
            self.read_gradients(*args)
        if SEED.fullmatch(name):
            self.seed([root] if root in ("torch", "numpy", "random") else ["torch", "numpy", "random"], sure=not self.stack)
        elif "generator" not in named and _draws(path, makes_object):
            self.draw(root if root in ("numpy", "random") else "torch")
        elif discarded and not name.endswith("_"):
            self.change(*everything)
            self._set_up(path)
        self.hand_over(everything)

        callables = [part for part in everything if part.kind in ("function", "object")]
        if makes_object or path.startswith(("numpy.random.default_rng", "torch.Generator")):
            thing = Thing("object", holds=everything, path=path)
            thing.random = bool(UNSTEADY.match(path)) or any(part.random for part in reach(*everything))
            return thing
        kept = everything if name in VIEWS or root not in ("torch", "numpy", "attnref", "math") else callables
        if name in VIEWS and len(everything) >= 1 and args and args[0].kind == "data":
            return args[0]
        kind = "data" if root in ("torch", "numpy", "attnref", "math") else "iterator" if root == "itertools" else "part"
        return Thing(kind, holds=kept, made_from=everything)

    def apply_builtin(self, name: str, args: list[Thing], named: dict[str, Thing]) -> Thing:
        """Call a builtin function."""
        everything = [*args, *named.values()]
        if name == "super":
            return Thing("super", holds=[part for part in self.selves[-1:] if part])
        if name in ("setattr", "delattr", "next"):
            self.change(*args[:1], deep=name == "next")
            if name == "setattr":
                args[0].holds.update(args[2:])
        self.hand_over(everything, calls=name not in CALM_BUILTINS)
        if name in NEW_BUILTINS:
            return Thing(made_from=everything)
        if name in CONTAINERS:
            return Thing("container", holds=[held for part in everything for held in part.holds or [part]])
        return Thing("iterator" if name in ITERATORS else "part", holds=everything)

    def hand_over(self, things: list[Thing], calls: bool = True) -> None:
        """A library gets these things: it may call what can be called, with any of them, and use operators."""
        for thing in things:
            self.use(thing)
            for part in reach(thing) if calls else ():
                if part.kind == "function" or (part.kind == "iterator" and part.node is not None):
                    self.run(part, [Thing("part", holds=things)])
                elif part.kind == "bound":
                    for owner in part.holds:
                        self.method(owner, part.path, [], {}, False)
                elif part.kind == "object" and not part.path:
                    self.apply_object(part, [Thing("part", holds=things)], {}, False)

    def method(self, owner: Thing, name: str, args: list[Thing], named: dict[str, Thing], discarded: bool) -> Thing:
        """Call a method."""
        everything, parts = [*args, *named.values()], reach(owner)
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
                part.holds.update(thing for thing in given if reach(thing) and thing.kind != "data")
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


def _draws(path: str, makes_object: bool) -> bool:
    """Whether a function or class of a library draws from its random generator."""
    root, name = path.partition(".")[0], path.rpartition(".")[2]
    if root == "random" or path.startswith("numpy.random."):
        return not name[:1].isupper() and name != "default_rng"
    if root == "numpy":
        return False
    if path.startswith("attnref.tasks"):
        return True
    if makes_object:
        return root not in PURE_ROOTS - {"torch", "attnref"} and not QUIET.fullmatch(path)
    return root == "torch" and bool(DRAW.fullmatch(name))


def _arguments(function: Thing, spec: ast.arguments, args: Sequence[Thing], named: dict[str, Thing]) -> dict[str, Thing]:
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


def _loaded(target: ast.expr) -> ast.expr:
    """The target of an augmented assignment as an expression that is read."""
    return ast.parse(ast.unparse(target), mode="eval").body
