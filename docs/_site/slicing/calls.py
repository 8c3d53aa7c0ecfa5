"""What a call does: of a function or class of the page, of an object, of a library, of a builtin."""

import ast

from slicing.expressions import Expressions
from slicing.things import (
    CALM_BUILTINS,
    CONTAINERS,
    COUNTING,
    DRAW,
    ITERATORS,
    NEW_BUILTINS,
    PURE_ROOTS,
    QUIET,
    SEED,
    STEADY,
    UNSTEADY,
    VIEWS,
    Thing,
    parts_of,
    reach,
)

STREAMS = ("torch", "numpy", "random")
ARRAY_ROOTS = ("torch", "numpy", "attnref", "math")  # their functions give arrays and numbers


class Calls(Expressions):
    """Walks over calls."""

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
        for word in node.keywords:
            if word.arg == "shuffle" or "dropout" in (word.arg or ""):
                thing.random = not (isinstance(word.value, ast.Constant) and not word.value.value)  # dropout=0.0 is off
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
        for part in parts_of(callee):
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
        methods = [found for name in ("__call__", "forward") if (found := thing.method(name))]
        results = [self.run(found, [thing, *args], named) for found in methods]
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
        makes_object = any(part[:1].isupper() for part in rest.split(".")) or name.startswith(("load", "from_pre"))
        if root == "builtins":
            return self.apply_builtin(name, args, named)

        if name.endswith("_"):
            self.change(*args[:1])
        if root not in PURE_ROOTS or path.startswith("attnref.tasks"):
            self.change(*(part for part in everything if any(p.kind == "object" for p in reach(part))))
        if name.startswith("clip_grad"):
            self.read_gradients(*args)
        if SEED.fullmatch(name):
            self.seed([root] if root in STREAMS else STREAMS, sure=not self.stack)
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
        kept = everything if name in VIEWS or root not in ARRAY_ROOTS else callables
        if name in VIEWS and len(everything) >= 1 and args and args[0].kind == "data":
            return args[0]
        kind = "data" if root in ARRAY_ROOTS else "iterator" if root == "itertools" else "part"
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
            for part in parts_of(thing) if calls else ():
                if part.kind == "function" or (part.kind == "iterator" and part.node is not None):
                    self.run(part, [Thing("part", holds=things)])
                elif part.kind == "bound":
                    for owner in part.holds:
                        self.method(owner, part.path, [], {}, False)
                elif part.kind == "object" and not part.path:
                    self.apply_object(part, [Thing("part", holds=things)], {}, False)

    # What the other files add

    def method(self, owner: Thing, name: str, args: list[Thing], named: dict[str, Thing], discarded: bool) -> Thing:
        """Call a method."""
        raise NotImplementedError


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
    return root in ("torch", "?") and bool(DRAW.fullmatch(name))
