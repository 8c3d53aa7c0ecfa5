"""Small pages whose last snippet is hard to slice. A line of dashes parts the snippets.

A line that ends in `# idle` is not needed by the last snippet, and must not stand in its copy.
"""

NAMES = {
    "the name that is thrown away is used": """
        a, _ = [1], [2]
        a.pop()
        ----
        a, _""",
    "a chain of names": """
        a = 1
        b = a + 1
        idle = 5  # idle
        ----
        b * 2""",
    "the last binding counts": """
        a = 1  # idle
        a = 2
        ----
        a""",
    "a binding that may not happen": """
        a = 1
        if a > 3:
            a = 2
        ----
        a""",
    "both branches bind": """
        a, b = 1, 2
        c = 7  # idle
        if a > 3:
            c = 2
        else:
            c = 3
        ----
        c""",
    "augmented": """
        a = [1]
        a += [2]
        n = 3
        n *= 2
        ----
        a, n""",
    "augmented through an alias": """
        a = [1]
        b = a
        b += [2]
        ----
        a""",
    "deleted and made again": """
        a = 1  # idle
        del a  # idle
        a = 2
        ----
        a""",
    "a deleted name is gone": """
        len = 3
        del len
        ----
        len([1, 2])""",
    "tuples part by part": """
        a, b = [1], [2]
        a.append(3)
        b.append(4)  # idle
        ----
        a""",
    "starred": """
        first, *rest = [[1], [2], [3]]
        rest[0].append(5)
        ----
        rest""",
    "several targets share a list": """
        a = b = []
        a.append(1)
        ----
        b""",
    "a walrus": """
        total = (n := 4) + 1
        ----
        n""",
    "a walrus within a comprehension": """
        found = [last := x for x in range(3)]
        ----
        last""",
    "a comprehension has names of its own": """
        x = 5
        squares = [x * x for x in range(3)]  # idle
        ----
        x""",
    "a loop leaves its variable": """
        for i in range(4):
            last = i
        ----
        i, last""",
    "a loop that carries an alias round": """
        a, b = [1], [2]
        c = a
        for step in range(2):
            c.append(step)
            c = b
        ----
        b""",
    "while and else": """
        n = 0
        while n < 3:
            n += 1
        else:
            done = True
        ----
        n, done""",
    "with": """
        import contextlib
        with contextlib.suppress(ZeroDivisionError):
            a = 5
            a / 0
        ----
        a""",
    "try": """
        try:
            a = 1 / 0
        except ZeroDivisionError:
            a = "no"
        finally:
            b = 3
        ----
        a, b""",
    "match": """
        point = {"x": 1, "rest": 2}
        match point:
            case {"x": x, **others}:
                y = x + 1
        ----
        y, others""",
    "an annotation is read": """
        from fractions import Fraction
        def half(x: Fraction) -> Fraction:
            return x / 2
        ----
        half(3)""",
    "submodules of one package": """
        import xml.dom
        import xml.sax
        ----
        xml.dom.Node.TEXT_NODE, xml.sax.__name__""",
    "a star": """
        from math import *
        a = 3  # idle
        ----
        floor(2.5)""",
    "globals by hand": """
        globals()["a"] = 4
        ----
        globals()["a"]""",
    "exec": """
        a = 4
        ----
        exec("print(a)")""",
    "the future first": """
        from __future__ import annotations
        def f(x: Unknown): return x
        ----
        f(3)""",
}

FUNCTIONS = {
    "globals are read when it is called": """
        def scaled(x):
            return x * scale
        scale = 2  # idle
        scale = 3
        ----
        scaled(4)""",
    "defaults are read when it is defined": """
        scale = 2
        def scaled(x, by=scale):
            return x * by
        scale = 3  # idle
        ----
        scaled(4)""",
    "a function calls a later one": """
        def outer(x):
            return inner(x) + 1
        def inner(x):
            return x * factor
        factor = 10
        ----
        outer(2)""",
    "a lambda reads late": """
        n = 1  # idle
        add = lambda x: x + n
        n = 2
        ----
        add(1)""",
    "it changes a global": """
        count = 0
        def tick():
            global count
            count += 1
        tick()
        tick()
        ----
        count""",
    "it binds a global": """
        def start():
            global ready
            ready = "yes"
        start()
        ----
        ready""",
    "it changes what it is given": """
        def fill(target, x):
            target.append(x)
            return None
        a, b = [], []
        fill(a, 1)
        fill(target=b, x=2)  # idle
        ----
        a""",
    "it changes what it is given, through others": """
        def grow(xs):
            for x in xs:
                x.append(0)
        def twice(f, xs):
            f(xs)
            f(xs)
        a, b = [1], [2]
        twice(grow, [a, b])
        ----
        a""",
    "it returns what it was given": """
        def same(x):
            return x
        a = [1]
        b = same(a)
        b.append(2)
        ----
        a""",
    "it returns a global": """
        log = []
        def get():
            return log
        get().append(1)
        ----
        log""",
    "a mutable default": """
        def remember(x, seen=[]):
            seen.append(x)
            return list(seen)
        remember(1)
        ----
        remember(2)""",
    "a closure that counts": """
        def counter():
            n = 0
            def tick():
                nonlocal n
                n += 1
                return n
            return tick
        tick = counter()
        tick()
        ----
        tick()""",
    "a closure that collects": """
        def collector():
            seen = []
            def collect(x):
                seen.append(x)
                return seen
            return collect
        collect = collector()
        collect(1)
        ----
        collect(2)""",
    "a decorator of the page": """
        calls = []
        def noted(f):
            def inner(*args):
                calls.append(f.__name__)
                return f(*args)
            return inner
        @noted
        def double(x):
            return 2 * x
        a = double(2)
        ----
        calls""",
    "functions in a table": """
        scale = 3
        def triple(x):
            return x * scale
        table = {"triple": triple}
        ----
        table["triple"](2)""",
    "a key that notes": """
        seen = []
        def key(x):
            seen.append(x)
            return -x
        order = sorted([1, 2], key=key)
        ----
        seen""",
    "map is lazy": """
        seen = []
        lazy = map(seen.append, [1, 2])
        done = list(lazy)
        ----
        seen""",
    "an iterator is used up": """
        numbers = iter(range(5))
        first = next(numbers)
        pairs = [(x, next(numbers)) for x in range(1)]
        ----
        list(numbers)""",
    "zip uses an iterator up": """
        numbers = iter(range(5))
        pairs = list(zip(numbers, "ab"))
        ----
        list(numbers)""",
    "a generator of the page": """
        def count():
            n = 0
            while True:
                yield n
                n += step
        step = 2
        numbers = count()
        first = next(numbers)
        ----
        next(numbers)""",
    "a generator expression reads late": """
        scale = 1
        scaled = (scale * x for x in range(3))
        scale = 5
        ----
        list(scaled)""",
    "a partial": """
        from functools import partial
        def power(x, n):
            return x**n + offset
        offset = 1
        square = partial(power, n=2)
        ----
        square(3)""",
    "it is given as a star": """
        def put(a, b):
            a.append(b)
        pair = ([], 4)
        put(*pair)
        ----
        pair""",
    "recursion": """
        seen = []
        def down(n):
            seen.append(n)
            return n and down(n - 1)
        a = down(2)
        ----
        seen""",
}

OBJECTS = {
    "items": """
        d = {}
        d["a"] = [1]
        d["a"].append(2)
        ----
        d""",
    "an item is the list itself": """
        inner = [1]
        outer = {"inner": inner}
        outer["inner"].append(2)
        ----
        inner""",
    "a list that is put into another": """
        inner, outer = [1], []
        outer.append(inner)
        outer[0].append(2)
        ----
        inner""",
    "a deleted item": """
        d = {"a": 1, "b": 2}
        del d["a"]
        ----
        d""",
    "an attribute": """
        import types
        o = types.SimpleNamespace(a=1)
        o.a = 2
        setattr(o, "b", 3)
        ----
        o""",
    "one of two": """
        a, b = [1], [2]
        shorter = a if len(a) < 5 else b
        shorter.append(3)
        ----
        a""",
    "pop within an f-string": """
        stack = [1, 2, 3]
        text = f"{stack.pop()}"
        ----
        stack""",
    "a method changes its object": """
        class Counter:
            def __init__(self):
                self.n = 0
            def tick(self, by=1):
                self.n += by
                return self
        counter = Counter()
        other = Counter()  # idle
        other.tick()  # idle
        m = counter.tick(3).n
        ----
        counter.n""",
    "a method that only looks": """
        class Box:
            def __init__(self, x):
                self.x = x
            def look(self):
                return self.x
        box = Box(4)
        seen = box.look()  # idle
        ----
        box.look()""",
    "an attribute of the class": """
        class Count:
            made = []
            def __init__(self):
                Count.made.append(1)
        a = Count()
        b = Count()
        ----
        len(Count.made)""",
    "super": """
        class Base:
            def __init__(self, xs):
                xs.append("base")
        class Derived(Base):
            def __init__(self, xs):
                super().__init__(xs)
        log = []
        made = Derived(log)
        ----
        log""",
    "an operator of the page": """
        reads = []
        class Table:
            def __getitem__(self, i):
                reads.append(i)
                return i
        table = Table()
        a = table[3]
        ----
        reads""",
    "a property": """
        class Lazy:
            loads = 0
            @property
            def value(self):
                Lazy.loads += 1
                return 5
        lazy = Lazy()
        five = lazy.value
        ----
        Lazy.loads""",
    "a method that is passed on": """
        class Log:
            def __init__(self):
                self.lines = []
            def note(self, x):
                self.lines.append(x)
        log = Log()
        done = [log.note(x) for x in range(2)]
        note = log.note
        note(7)
        ----
        log.lines""",
    "a library is patched": """
        import math
        math.tau = 3
        ----
        math.tau""",
    "printing is set up": """
        import numpy as np
        np.set_printoptions(precision=2)
        a = np.array([1 / 3])
        ----
        a""",
    "a dataclass": """
        from dataclasses import dataclass, field
        @dataclass
        class Bag:
            things: list = field(default_factory=list)
        bag = Bag()
        bag.things.append(1)
        ----
        bag""",
}

TENSORS = {
    "in place": """
        import torch
        x = torch.zeros(3)
        y = torch.ones(3)
        y.mul_(3)  # idle
        _ = x.add_(1)
        ----
        x""",
    "in place through a view": """
        import torch
        x = torch.zeros(2, 3)
        row = x[0]
        flat = x.view(-1)
        _ = row.fill_(5)
        flat[-1] = 7
        ----
        x""",
    "a view of what is changed": """
        import torch
        x = torch.zeros(2, 3)
        row = x.T[0]
        x += 1
        ----
        row""",
    "a clone is not a view": """
        import torch
        x = torch.zeros(2)
        copy = x.clone()
        copy += 1  # idle
        ----
        x""",
    "arithmetic is not a view": """
        import torch
        x = torch.ones(2)
        y = 2 * x
        y[0] = 5  # idle
        ----
        x""",
    "NumPy and torch share memory": """
        import numpy as np, torch
        a = np.zeros(3)
        t = torch.from_numpy(a)
        t[0] = 1
        a[1] = 2
        ----
        t, a""",
    "out": """
        import torch
        x = torch.zeros(2)
        y = torch.add(x, 1, out=x)
        ----
        x""",
    "a slice is assigned": """
        import numpy as np
        a = np.zeros(4)
        a[1:3] = 5
        np.fill_diagonal(a.reshape(2, 2), 1)
        ----
        a""",
    "one of a list": """
        import torch
        xs = [torch.zeros(2) for _ in range(2)]
        first = xs[0]
        xs[0].add_(1)
        ----
        first""",
    "in a loop over parts": """
        import torch
        a, b = torch.zeros(2), torch.zeros(2)
        for part in (a, b):
            part.add_(1)
        ----
        b""",
    "in a function": """
        import torch
        def poison(x):
            x[0] = torch.nan
            return 1
        a = torch.zeros(2)
        flag = poison(a)
        ----
        a""",
    "gradients add up": """
        import torch
        x = torch.ones(2, requires_grad=True)
        (3 * x).sum().backward()
        y = x * 2
        loss = y.sum()
        loss.backward()
        ----
        x.grad""",
    "no gradient is asked for": """
        import torch
        x = torch.ones(2, requires_grad=True)
        (3 * x).sum().backward()  # idle
        ----
        x.detach()""",
    "gradients through a Module": """
        import torch
        from torch import nn
        _ = torch.manual_seed(0)
        layer = nn.Linear(2, 1)
        layer(torch.ones(1, 2)).sum().backward()
        ----
        layer.weight.grad""",
    "a gradient is taken away": """
        import torch
        x = torch.ones(2, requires_grad=True)
        (3 * x).sum().backward()
        x.grad = None
        ----
        x.grad""",
    "an optimizer takes steps": """
        import torch
        w = torch.ones(2, requires_grad=True)
        sgd = torch.optim.SGD([w], lr=0.1)
        for step in range(3):
            sgd.zero_grad()
            (w * w).sum().backward()
            sgd.step()
        ----
        w.detach()""",
    "an optimizer takes one step": """
        import torch
        w = torch.ones(2, requires_grad=True)
        sgd = torch.optim.SGD([w], lr=0.1)
        (w * w).sum().backward()
        sgd.step()
        ----
        w.detach()""",
    "parameters are copied": """
        import torch
        from torch import nn
        a, b = nn.Linear(2, 2), nn.Linear(2, 2)
        _ = nn.init.eye_(a.weight)
        with torch.no_grad():
            for p, q in zip(b.parameters(), a.parameters()):
                p.copy_(q)
        ----
        b.weight.detach()""",
    "weights are loaded": """
        import torch
        from torch import nn
        a, b = nn.Linear(2, 2), nn.Linear(2, 2)
        _ = nn.init.ones_(a.weight), nn.init.zeros_(a.bias)
        b.load_state_dict(a.state_dict())
        ----
        b(torch.ones(1, 2)).detach()""",
    "eval": """
        import torch
        from torch import nn
        drop = nn.Dropout(0.99)
        drop.eval()
        ----
        drop(torch.ones(3))""",
    "batch norm keeps a record": """
        import torch
        from torch import nn
        norm = nn.BatchNorm1d(1)
        x = torch.arange(4.0)[:, None]
        y = norm(x)
        ----
        norm.running_mean""",
    "a hook collects": """
        import torch
        from torch import nn
        seen = []
        layer = nn.Identity()
        handle = layer.register_forward_hook(lambda module, args, output: seen.append(output))
        y = layer(torch.ones(1))
        ----
        seen""",
    "a Module of the page": """
        import torch
        from torch import nn
        class Counting(nn.Module):
            def __init__(self):
                super().__init__()
                self.calls = 0
            def forward(self, x):
                self.calls += 1
                return x * scale
        net = Counting()
        scale = 3
        y = net(torch.ones(1))
        ----
        net.calls, net(torch.ones(1))""",
    "a counter within a with": """
        import torch
        from torch.utils.flop_counter import FlopCounterMode
        counter = FlopCounterMode(display=False)
        with counter:
            y = torch.ones(2, 3) @ torch.ones(3, 4)
        ----
        counter.get_total_flops()""",
}

RANDOM = {
    "draws since the seed": """
        import torch
        _ = torch.manual_seed(0)
        x = torch.randn(2)
        y = torch.zeros(2)  # idle
        ----
        torch.randn(2)""",
    "a seed makes what was before it idle": """
        import torch
        _ = torch.manual_seed(0)  # idle
        x = torch.randn(2)  # idle
        _ = torch.manual_seed(1)
        z = torch.randn(2)
        ----
        torch.randn(2)""",
    "without a seed nothing depends on the draws": """
        import torch
        x = torch.randn(2)  # idle
        ----
        torch.randn(2).shape""",
    "a Module draws its weights": """
        import torch
        from torch import nn
        _ = torch.manual_seed(0)
        layer = nn.Linear(2, 2)
        ----
        torch.randn(2)""",
    "a Module of this package draws its weights": """
        import torch
        from attnref import MultiHeadAttention
        _ = torch.manual_seed(0)
        attend = MultiHeadAttention(4, num_heads=2)
        ----
        torch.randn(2)""",
    "a Module of the page draws its weights": """
        import torch
        from torch import nn
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = nn.Linear(2, 2)
        _ = torch.manual_seed(0)
        net = Net()
        ----
        torch.randn(2)""",
    "parameters are filled": """
        import torch
        from torch import nn
        w = torch.empty(2)
        _ = torch.manual_seed(0)
        _ = nn.init.normal_(w)
        _ = w.uniform_()
        ----
        torch.randn(2)""",
    "dropout draws at every call": """
        import torch
        from torch import nn
        _ = torch.manual_seed(0)
        drop = nn.Dropout(0.5)
        y = drop(torch.ones(4))
        z = nn.functional.dropout(torch.ones(4))
        ----
        torch.randn(2)""",
    "dropout within a Module": """
        import torch
        from torch import nn
        _ = torch.manual_seed(0)
        net = nn.Sequential(nn.Dropout(0.5))
        layer = nn.TransformerEncoderLayer(4, 1, 4)
        y = net(torch.ones(4)), layer(torch.ones(1, 4))
        ----
        torch.randn(2)""",
    "a function draws": """
        import torch
        def noise():
            return torch.randn(2)
        _ = torch.manual_seed(0)
        x = noise()
        ----
        torch.randn(2)""",
    "a function seeds": """
        import torch
        def begin(seed):
            torch.manual_seed(seed)
            return torch.randn(1)
        x = begin(3)
        ----
        torch.randn(2)""",
    "a loop over seeds": """
        import torch
        for seed in (1, 2):
            torch.manual_seed(seed)
            x = torch.randn(1)
        ----
        torch.randn(2)""",
    "a generator of its own": """
        import torch
        g = torch.Generator().manual_seed(0)
        x = torch.randn(2, generator=g)
        y = torch.randn(2)  # idle
        ----
        torch.randn(2, generator=g)""",
    "a generator that a function holds": """
        import torch
        g = torch.Generator().manual_seed(0)
        def echo(n):
            return torch.rand(n, generator=g)
        seen = echo(2)
        ----
        echo(2)""",
    "NumPy's generator": """
        import numpy as np
        rng = np.random.default_rng(0)
        x = rng.normal(size=2)
        ----
        rng.normal(size=2)""",
    "NumPy's old generator and Python's": """
        import numpy as np
        import random
        np.random.seed(0)
        random.seed(0)
        x = np.random.rand(2)
        y = [1, 2, 3, 4]
        random.shuffle(y)
        ----
        np.random.rand(2), random.random(), y""",
    "streams do not mix": """
        import numpy as np
        import torch
        _ = torch.manual_seed(0)
        np.random.seed(0)  # idle
        x = np.random.rand(2)  # idle
        ----
        torch.randn(2)""",
    "shuffled batches": """
        import torch
        from torch.utils.data import DataLoader
        _ = torch.manual_seed(0)
        loader = DataLoader(list(range(8)), batch_size=8, shuffle=True)
        for batch in loader:
            first = batch
        ----
        torch.randn(2)""",
    "what raises may have drawn": """
        import torch
        _ = torch.manual_seed(0)
        torch.ones(3) @ torch.randn(2)
        ----
        torch.randn(2)""",
}
