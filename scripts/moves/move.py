"""Moves modules and definitions of a checkout, and rewrites every import, string and prose that names them.

usage: move.py ROOT; reads house/moves.md of the shared folder beside the checkout, and plan.py beside this file.
"""
from __future__ import annotations
import ast, json, re, subprocess, sys
from pathlib import Path

ROOT = Path(sys.argv[1]).resolve()
HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
import plan

def git(*a): return subprocess.run(["git", "-C", str(ROOT), *a], check=True, capture_output=True, text=True).stdout

def mod_of(path: str) -> str:
    p = path.removeprefix("src/").removesuffix(".py").replace("/", ".")
    return p.removesuffix(".__init__")

def py_files():
    out = []
    for f in git("ls-files", "-co", "--exclude-standard", "*.py").split("\n"):
        if f and (ROOT / f).exists(): out.append(ROOT / f)
    return out

MOVES: dict[str, str] = {}
for block in re.findall(r"```json\n(.*?)```", (ROOT.parent / "shared/house/moves.md").read_text(), re.S):
    MOVES.update(json.loads(block))
for k in plan.DROP: MOVES.pop(k, None)
MOVES.update(plan.MOVES)
MODMAP = {mod_of(a): mod_of(b) for a, b in MOVES.items()}

ALLMODS_OLD = {mod_of(f) for f in git("ls-files", "src/**/*.py", "src/*.py").split() if f}

# ---------------------------------------------------------------- definitions that leave their file (old terms -> new file)
NAMEMAP: dict[tuple[str, str], str] = {}   # (old module, name) -> new module
for src, dst, names in plan.SPLITS:
    for n in names: NAMEMAP[(mod_of(src), n)] = mod_of(dst)

def new_home(module: str, name: str) -> str:
    return NAMEMAP.get((module, name)) or MODMAP.get(module, module)

class Edit:
    def __init__(self, text: str): self.lines = text.split("\n"); self.edits = []
    def replace(self, l1, l2, new): self.edits.append((l1, l2, new))      # 1-based inclusive lines
    def result(self):
        lines = self.lines[:]
        for l1, l2, new in sorted(self.edits, key=lambda e: -e[0]):
            lines[l1-1:l2] = new
        return "\n".join(lines)

def rewrite_imports(path: Path, old_module: str | None) -> None:
    text = path.read_text()
    try: tree = ast.parse(text)
    except SyntaxError as e: print("syntax", path, e); return
    ed = Edit(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module and node.module.split(".")[0] == "quorate":
            groups: dict[str, list[str]] = {}
            changed = False
            for a in node.names:
                sub = f"{node.module}.{a.name}"
                if sub in ALLMODS_OLD and (node.module, a.name) not in NAMEMAP:
                    new = MODMAP.get(sub, sub)
                    parent, leaf = new.rsplit(".", 1)
                    asname = a.asname or (a.name if leaf != a.name else None)
                    dest, word = parent, leaf + (f" as {asname}" if asname and asname != leaf else "")
                else:
                    dest = new_home(node.module, a.name)
                    word = a.name + (f" as {a.asname}" if a.asname else "")
                    if a.name.startswith("_") and (node.module, a.name) in NAMEMAP: pass
                if dest != node.module or (word.split(" as ")[0] != a.name): changed = True
                groups.setdefault(dest, []).append(word)
            if changed:
                indent = " " * node.col_offset
                comment = re.search(r"(\s+#.*)$", ed.lines[node.end_lineno-1])
                new = []
                for d, ws in sorted(groups.items()):
                    ws = sorted(set(ws))
                    if len(ws) > 3: new += [f"{indent}from {d} import ("] + [f"{indent}    {w}," for w in ws] + [f"{indent})"]
                    else: new.append(f"{indent}from {d} import {', '.join(ws)}")
                if comment: new[-1] += comment.group(1)
                ed.replace(node.lineno, node.end_lineno, new)
        elif isinstance(node, ast.Import):
            for a in node.names:
                if a.name in MODMAP: print("plain import to mend by hand:", path, node.lineno, a.name)
    if ed.edits: path.write_text(ed.result())

DOTTED = re.compile(r"\bquorate\.(?:host|cli|client)(?:\.[a-z_0-9]+)+")
def dotted(m: re.Match) -> str:
    s = m.group(0); parts = s.split(".")
    for n in range(len(parts), 2, -1):
        old = ".".join(parts[:n])
        if n < len(parts) and (old, parts[n]) in NAMEMAP:
            return ".".join([NAMEMAP[(old, parts[n])], *parts[n:]])
        if old in MODMAP: return ".".join([MODMAP[old], *parts[n:]])
        if old in ALLMODS_OLD: return s
    return s
PATHS = {a.removeprefix("src/quorate/"): b.removeprefix("src/quorate/") for a, b in MOVES.items() if not a.endswith("__init__.py")}
PATHRE = re.compile(r"(?<![\w/])((?:src/quorate/)?)(" + "|".join(re.escape(p) for p in sorted(PATHS, key=len, reverse=True)) + r")\b")

def rewrite_text(path: Path, prose: bool) -> None:
    text = path.read_text()
    out = []
    real: set[int] = set()
    if path.suffix == ".py":
        for n in ast.walk(ast.parse(text)):
            if isinstance(n, (ast.Import, ast.ImportFrom)): real |= set(range(n.lineno, n.end_lineno + 1))
    for number, line in enumerate(text.split("\n"), 1):
        if number not in real and "get_logger(" not in line and "getLogger(" not in line and "at_level(" not in line:
            if not any(k in line for k in plan.KEEP_LINES):
                line = DOTTED.sub(dotted, line)
        line = PATHRE.sub(lambda m: m.group(1) + PATHS[m.group(2)], line)
        out.append(line)
    new = "\n".join(out)
    if new != text: path.write_text(new)

def segment(tree, lines, name):
    """(first line, last line) of the definition of `name`, its comments before and the bare string after it included."""
    body = tree.body
    for i, node in enumerate(body):
        names = []
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)): names = [node.name]
        elif isinstance(node, ast.Assign): names = [t.id for t in node.targets if isinstance(t, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name): names = [node.target.id]
        if name not in names: continue
        first = min([node.lineno] + [d.lineno for d in getattr(node, "decorator_list", [])])
        while first > 1 and lines[first-2].startswith("#"): first -= 1
        last = node.end_lineno
        if i + 1 < len(body) and isinstance(body[i+1], ast.Expr) and isinstance(body[i+1].value, ast.Constant) and isinstance(body[i+1].value.value, str) and isinstance(node, (ast.Assign, ast.AnnAssign)):
            last = body[i+1].end_lineno
        return first, last
    raise SystemExit(f"no definition {name}")

def set_all(text: str, add=(), remove=()) -> str:
    tree = ast.parse(text)
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            try: names = set(ast.literal_eval(node.value))
            except Exception: print("__all__ by hand"); return text
            names = sorted((names | set(add)) - set(remove), key=lambda n: (not n.isupper(), not n[0].isupper(), n))
            lines = text.split("\n")
            new = ["__all__ = [" + ", ".join(f'"{n}"' for n in names) + "]"] if len(names) <= 4 else ["__all__ = ["] + [f'    "{n}",' for n in names] + ["]"]
            lines[node.lineno-1:node.end_lineno] = new
            return "\n".join(lines)
    return text

def free_names(code: str) -> set[str]:
    return {n.id for n in ast.walk(ast.parse(code)) if isinstance(n, ast.Name)} | {
        w for n in ast.walk(ast.parse(code)) if isinstance(n, ast.Constant) and isinstance(n.value, str) for w in ([n.value] if n.value.isidentifier() else [])}

def split(src_old: str, dst_new: str, names: list[str]) -> None:
    """Move definitions between files that already stand at their new places."""
    src = ROOT / MOVES.get(src_old, src_old); dst = ROOT / dst_new
    text = src.read_text(); tree = ast.parse(text); lines = text.split("\n")
    segs = sorted((*segment(tree, lines, n), n) for n in names)
    code = "\n\n\n".join("\n".join(lines[a-1:b]) for a, b, _ in segs)
    imports = {}; dotted_imports = []
    for node in tree.body:
        nodes = [node]
        if isinstance(node, ast.If): nodes = [n for n in ast.walk(node)]
        for n in nodes:
            if isinstance(n, (ast.Import, ast.ImportFrom)):
                for a in n.names:
                    key = a.asname or a.name.split(".")[0]
                    if isinstance(n, ast.Import) and not a.asname and "." in a.name:
                        if a.name in code: dotted_imports.append(a.name)
                        continue
                    imports[key] = (n, a)
    local = {n for node in tree.body for n in ([node.name] if hasattr(node, "name") else [t.id for t in getattr(node, "targets", [getattr(node, "target", None)]) if isinstance(t, ast.Name)] if isinstance(node, (ast.Assign, ast.AnnAssign)) else [])}
    needed = free_names(code)
    new_imports = [f'import {n}' for n in dotted_imports]
    for n in sorted(needed):
        if n in names: continue
        if n in imports:
            node, a = imports[n]
            if isinstance(node, ast.ImportFrom):
                if node.module == mod_of(dst_new): continue
                new_imports.append(f"from {node.module} import {a.name}" + (f" as {a.asname}" if a.asname else ""))
            else: new_imports.append(f"import {a.name}" + (f" as {a.asname}" if a.asname else ""))
        elif n in local:
            print(f"SPLIT {src_old}->{dst_new}: {n} stays behind but is used; by hand")
    ed = Edit(text)
    for a, b, _ in segs:
        end = b
        while end < len(lines) and lines[end] == "" : end += 1
        ed.replace(a, end, [])
    left = ed.result()
    still = sorted(n for n in names if re.search(rf"\b{re.escape(n)}\b", re.sub(r'__all__ = \[.*?\]', '', left, flags=re.S)))
    left = set_all(left, remove=[n for n in names])
    if still:
        left = insert_imports(left, [f"from {mod_of(dst_new)} import {', '.join(still)}"])
    src.write_text(left)
    if dst.exists(): base = dst.read_text()
    else:
        doc = plan.DOCS[dst_new]
        base = f'"""{doc}"""\n\nfrom __future__ import annotations\n\n__all__ = []\n'
        dst.parent.mkdir(parents=True, exist_ok=True)
    # names that the target imported from the source before
    base = insert_imports(base.rstrip("\n") + "\n", new_imports)
    base = drop_imported(base, mod_of(MOVES.get(src_old, src_old)), names)
    base = base.rstrip("\n") + "\n\n\n" + code + "\n"
    base = set_all(base, add=[n for n in names if not n.startswith("_")])
    dst.write_text(base)

def drop_imported(text, module, names):
    tree = ast.parse(text); ed = Edit(text)
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module in (module, ) or isinstance(node, ast.ImportFrom) and any(True for a in node.names if a.name in names and node.module and node.module.startswith("quorate.")):
            keep = [a for a in node.names if a.name not in names]
            if len(keep) != len(node.names):
                ed.replace(node.lineno, node.end_lineno, [f"from {node.module} import {', '.join(a.name + (f' as {a.asname}' if a.asname else '') for a in keep)}"] if keep else [])
    return ed.result()

def insert_imports(text: str, imports: list[str]) -> str:
    if not imports: return text
    tree = ast.parse(text); at = 0
    for node in tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and at == 0): at = node.end_lineno
    lines = text.split("\n")
    lines[at:at] = imports
    return "\n".join(lines)

def main():
    tops = [f for f in git("ls-files", "src/quorate/host/*.py", "src/quorate/cli/*.py", "src/quorate/client/*.py").split()
            if f not in MOVES and f not in plan.STAY and f.count("/") == 3]
    if tops: print("no place in the plan:", *tops, sep="\n  "); 
    for a, b in MOVES.items():
        if not (ROOT / a).exists(): print("missing:", a); continue
        (ROOT / b).parent.mkdir(parents=True, exist_ok=True)
    todo = [(a, b) for a, b in MOVES.items() if (ROOT / a).exists()]
    # two steps, as a target may be another's source
    for a, b in todo: git("mv", a, a + ".moving")
    for a, b in todo: git("mv", a + ".moving", b)
    for a, b in plan.DATA:
        if (ROOT / a).exists():
            (ROOT / b).parent.mkdir(parents=True, exist_ok=True); git("mv", a, b)
    for path, doc in plan.INITS.items():
        p = ROOT / path
        if not p.exists(): p.parent.mkdir(parents=True, exist_ok=True); p.write_text(f'"""{doc}"""\n')
    for p in py_files(): rewrite_imports(p, None)
    for p in py_files(): rewrite_text(p, True)
    for pattern in ("docs", "spec", "README.md", "CONTRIBUTING.md", "SECURITY.md", "benchmarks", "scripts"):
        for p in [ROOT / pattern] if (ROOT / pattern).is_file() else (ROOT / pattern).rglob("*"):
            if p.suffix in (".md", ".sh", ".toml", ".txt") and "adr" not in p.parts: rewrite_text(p, True)
    for src, dst, names in plan.SPLITS: split(src, dst, names)
    for path, old, new in plan.STRINGS:
        p = ROOT / path; t = p.read_text()
        if old not in t: print("string not found:", path, old); continue
        p.write_text(t.replace(old, new))
    for n in plan.RMDIRS:
        d = ROOT / n
        if d.exists():
            import shutil
            for c in d.rglob("__pycache__"): shutil.rmtree(c)
            if not any(d.rglob("*.*")): shutil.rmtree(d, ignore_errors=True)
            else: print("left in", n, list(d.rglob("*"))[:5])
main()
