"""What someone does who has installed the wheel and has nothing else: packages.py runs it in an environment of its own.

`python stranger.py plot tasks`, with the extras that are installed there. Without any, what needs one says which. With
some, everything is imported, and each works where the packages of the others are missing; every shipped weight is
loaded, and the command line of the tasks measures one of them, or all where ATTNREF_ALL_TASKS is set.
"""

import importlib
import os
import pkgutil
import re
import sys
from importlib import metadata

import torch  # before the packages of extras are hidden: some are torch's own, if they are there

NEEDS = {"plot": ["attnref.plot"], "interop": ["attnref.interop"], "tasks": ["attnref.tasks"]}


def public() -> list[str]:
    """Every module that has a public name."""
    import attnref

    names = ["attnref", *(found.name for found in pkgutil.walk_packages(attnref.__path__, "attnref."))]
    return [name for name in names if not any(part.startswith("_") for part in name.split("."))]


def failing(names: list[str]) -> dict[str, str]:
    """The modules that cannot be imported, with what they say."""
    said = {}
    for name in names:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            said[name] = str(error)
    return said


def brought(extra: str | None) -> set[str]:
    """The distributions that attnref brings, with an extra or without, all the way down."""
    done, waiting = set(), [("attnref", extra)]
    while waiting:
        name, asked = waiting.pop()
        for line in metadata.requires(name) or []:
            need, _, condition = line.partition(";")
            wanted = re.search(r"extra\s*==\s*['\"](\w+)", condition)
            needed = re.split(r"[^\w.-]", need.strip())[0].lower().replace("_", "-")
            if (not wanted or wanted[1] == asked) and needed not in done:
                try:
                    metadata.version(needed)
                except metadata.PackageNotFoundError:  # of another platform
                    continue
                done.add(needed)
                waiting.append((needed, None))
    return done


class Missing:
    """Hides modules, as if they had not been installed."""

    def __init__(self, hidden: set[str]) -> None:
        self.hidden = hidden

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Refuse those that are hidden; leave the others to the next in line."""
        if name.partition(".")[0] in self.hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def alone(extra: str, others: list[str]) -> None:
    """What the extra is for works where no package is that only another one brings."""
    gone = set().union(*(brought(other) for other in others)) - brought(extra) - brought(None)
    modules = metadata.packages_distributions()
    hidden = {name for name, by in modules.items() if {dist.lower().replace("_", "-") for dist in by} <= gone}
    sys.meta_path.insert(0, Missing(hidden))
    names = [name for name in public() if name.startswith(tuple(NEEDS[extra]))]
    assert failing(names) == {}, failing(names)
    if extra == "tasks":
        use_tasks()
    print(f"attnref[{extra}] without {', '.join(sorted(gone))}: {len(names)} modules")


def use_tasks() -> None:
    """The list of tasks, every shipped weight, and the command that measures it."""
    from attnref import tasks
    from attnref.tasks import __main__ as line
    from attnref.tasks._task import find

    line.main([])
    count = 0
    for name in tasks.TASKS:
        task = find(name)
        for shipped in task.shipped:
            tasks.load(name, **task.arguments(shipped.choices))
            count += 1
    print(f"{count} trained models loaded")
    for name in tasks.TASKS if os.environ.get("ATTNREF_ALL_TASKS") else ["digit_patches"]:
        line.main([name, "--evaluate"])


def main(extras: list[str]) -> None:
    """Each extra in a process of its own that has torch loaded already."""
    torch.set_num_threads(1)
    said = failing(public())
    if not extras:
        assert said, "no module needs an extra"
        for name, text in said.items():
            assert re.search(r"pip install '?\"?attnref\[\w+\]", text), (name, text)
        print(f"without extras: {len(public()) - len(said)} modules, and {len(said)} that say what they need")
        return
    assert said == {}, said
    print(f"with {', '.join(extras)}: {len(public())} modules")


def each_alone(extras: list[str]) -> None:
    """Before anything of attnref is loaded."""
    for extra in extras:
        if not hasattr(os, "fork"):
            return
        child = os.fork()
        if not child:
            code = 1
            try:
                torch.set_num_threads(1)
                alone(extra, [other for other in extras if other != extra])
                code = 0
            except BaseException:
                import traceback

                traceback.print_exc()
            finally:
                sys.stdout.flush()
                os._exit(code)
        if os.waitpid(child, 0)[1]:
            sys.exit(f"attnref[{extra}] does not work alone")


if __name__ == "__main__":
    each_alone(sys.argv[1:])
    main(sys.argv[1:])
