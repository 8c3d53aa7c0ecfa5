"""Python's own interactive prompt, fed with texts as if they were pasted, each at a prompt that has seen nothing else.

`Prompts` keeps one process that has torch loaded, and forks it, so that no text waits for the import. Texts that begin
with the same statements share a process as far as they are the same.
"""

import ctypes
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
import warnings
from pathlib import Path
from typing import NamedTuple

SECONDS = 300  # for the texts of one page


class Said(NamedTuple):
    """What the prompt answered to one statement."""

    printed: str
    raised: str  # the error, or nothing


class Prompts:
    """Runs texts at prompts of their own."""

    def __init__(self) -> None:
        path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
        environment = os.environ | {"PYTHONPATH": path, "MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"}
        pipe = subprocess.PIPE
        command = [sys.executable, "-c", "import prompt; prompt.serve()"]
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment, text=True)

    def paste(self, texts: list[list[str]]) -> list[list[list[Said]]]:
        """What the prompt says to each text. A text is given as the list of its parts, and so is what was said."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(texts), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError("the process that runs the copies has ended")
        return [[[Said(*said) for said in part] for part in text] for text in json.loads(answer)]

    def close(self) -> None:
        """End the process."""
        self.process.communicate()


def serve() -> None:
    """Answer each line of texts with a line of what the prompts said, until there are no more."""
    import attnref  # noqa: F401  (loaded once for all)

    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        texts = json.loads(line)
        with tempfile.TemporaryDirectory() as folder:
            _fork(lambda: Session(Path(folder)).run_all(list(enumerate(texts))))  # noqa: B023
            said = [_read(Path(folder, f"{number}.json")) for number in range(len(texts))]
        print(json.dumps(said), file=answers, flush=True)


def _read(path: Path) -> list:
    return json.loads(path.read_text()) if path.exists() else [[["", "the process ended before the text did"]]]


def _fork(work) -> None:
    """Do something in a process of its own and wait for it."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    try:
        work()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


class Session:
    """One prompt, and what it has said so far."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.said = folder, [[]]
        self.printed, self.raised = io.StringIO(), []
        main = sys.modules["__main__"].__dict__
        for name in set(main) - {"__name__", "__builtins__"}:
            del main[name]
        work = folder / "work"
        work.mkdir()
        os.chdir(work)
        warnings.simplefilter("error")
        sys.ps1, sys.ps2 = self, ""
        sys.stdout = self.printed
        sys.excepthook = lambda kind, error, trace: self.raised.extend(traceback.format_exception_only(kind, error))
        for stream in (1, 2):  # the prompt itself is written there
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        signal.alarm(SECONDS)

    def __str__(self) -> str:
        """The prompt is made into text before each statement: time to see what the last one said."""
        if self.printed.getvalue() or self.raised:
            self.said[-1].append((self.printed.getvalue(), "".join(self.raised)))
        self.printed.seek(0)
        self.printed.truncate()
        self.raised.clear()
        return ""

    def run_all(self, texts: list[tuple[int, list[str]]]) -> None:
        """Run texts that have said the same so far: one after another, in one process while they go on alike."""
        groups: dict[str, list[tuple[int, list[str]]]] = {}
        for number, parts in texts:
            if parts:
                groups.setdefault(parts[0], []).append((number, parts[1:]))
            else:
                (self.folder / f"{number}.json").write_text(json.dumps(self.said[:-1]))
        for part, rest in groups.items():
            if len(groups) == 1:
                self.type(part)
                self.run_all(rest)
            else:
                _fork(lambda: (self.type(part), self.run_all(rest)))  # noqa: B023

    def type(self, part: str) -> None:
        """Feed one part of a text to the interpreter's own read-eval-print loop."""
        path = self.folder / f"part-{os.getpid()}"
        path.write_text(part, encoding="utf-8")
        c = ctypes.CDLL(None)
        c.fopen.restype = ctypes.c_void_p
        c.fclose.argtypes = [ctypes.c_void_p]
        stream = c.fopen(os.fsencode(path), b"r")
        ctypes.pythonapi.PyRun_InteractiveLoopFlags(ctypes.c_void_p(stream), b"<stdin>", None)
        c.fclose(stream)
        str(self)
        self.said.append([])
