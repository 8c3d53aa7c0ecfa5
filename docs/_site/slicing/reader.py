"""What each statement of a page reads, binds and changes, found by walking over its code without running it.

Functions and classes of the page are walked through at every call, with what the call gives them. Where the code does
not tell, the more careful reading is taken: a statement too many costs the reader a line, one too few an error.
"""

import ast
from collections.abc import Sequence

from slicing.expressions import Function
from slicing.methods import Methods
from slicing.names import Effect
from slicing.things import Scope, Thing, reach


class Reader(Methods):
    """Reads the statements of a page one after another."""

    def read(self, code: str, shows: bool = False) -> Effect:
        """The effect of one statement. `shows`: it is an expression whose value is the point of it."""
        self.effect = Effect(reads={"<settings>"})
        for node in ast.parse(code).body:
            if shows and isinstance(node, ast.Expr):
                self.value(node.value)
            else:
                self.block([node])
        return self.effect

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


def _loaded(target: ast.expr) -> ast.expr:
    """The target of an augmented assignment as an expression that is read."""
    return ast.parse(ast.unparse(target), mode="eval").body
