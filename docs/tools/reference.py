"""Generated blocks of the reference pages: parameters, commands, metrics.

Names, types and ranges come from the code, meanings from the comments beside the fields, values
from the profiles as `tfsdiff.compose` composes them.
"""

import argparse
import ast
import inspect
import re
import tokenize
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml

ROOT = Path(__file__).resolve().parents[2]
CONF = ROOT / "workflow/conf"
FIRST_PROFILES = ("demo", "ci", "showcase", "harvard", "harvard-quick", "paper", "official")
ABSENT = object()

Values = dict[str, Any]  # of a parameter, by profile


# Values


@cache
def profiles() -> dict[str, Values]:
    """What each profile composes to."""
    from tfsdiff.compose import compose

    names = {path.stem for path in (CONF / "profile").glob("*.yaml")}
    names = {
        **dict.fromkeys(n for n in FIRST_PROFILES if n in names),
        **dict.fromkeys(sorted(names)),
    }
    return {name: compose([f"profile={name}", *_wanted(name)], CONF) for name in names}


def _wanted(profile: str) -> list[str]:
    # A profile that reads folders, or starts from one that does, leaves it to the user which.
    text = (CONF / f"profile/{profile}.yaml").read_text(encoding="utf-8")
    groups = [group for group in ("data", "pairs") if f"override /{group}: directory" in text]
    names = re.findall(r"^  - ([\w-]+)$", text, re.MULTILINE)
    parents = [name for name in names if (CONF / f"profile/{name}.yaml").is_file()]
    wanted = [f"{group}.input=FOLDER" for group in groups]
    return [*wanted, *(word for parent in parents for word in _wanted(parent))]


def _at(key: str, among: Sequence[str]) -> Values:
    """Values of the parameter `key`, such as train.steps, in the profiles `among` that have it."""
    found = {}
    for profile in among:
        value = profiles()[profile]
        for part in key.split("."):
            value = value.get(part, ABSENT) if isinstance(value, Mapping) else ABSENT
        if value is not ABSENT:
            found[profile] = value
    return found


def _value(value: Any) -> str:
    if value is None:
        return "`null`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, float):
        text = f"{value:.15f}".rstrip("0")
        return f"`{text + '0' if text.endswith('.') else text}`"
    if isinstance(value, list):
        if all(isinstance(item, str) for item in value):
            return ", ".join(f"`{item}`" for item in value) or "none"
        return f"`{value}`"
    return f"`{value}`"


def _values(values: Values, among: Sequence[str]) -> str:
    """One value if it is that of all profiles `among`, else each value with its profiles."""
    shown: dict[str, list[str]] = {}
    for profile, value in values.items():
        shown.setdefault(_value(value), []).append(profile)
    if len(shown) == 1 and list(values) == list(among):
        return next(iter(shown))
    return "<br>".join(f"{value} ({', '.join(names)})" for value, names in shown.items())


# Meanings: the comments beside the fields


@cache
def _comments(path: Path) -> dict[int, tuple[str, bool]]:
    """Comments of a module by line, and whether each has its line to itself."""
    found = {}
    source = path.read_text(encoding="utf-8")
    for token in tokenize.generate_tokens(StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            alone = not token.line[: token.start[1]].strip()
            found[token.start[0]] = (token.string.lstrip("# ").rstrip(), alone)
    return found


@cache
def _fields(section: type) -> dict[str, str]:
    """Meaning of every field that `section` and its bases declare."""
    found: dict[str, str] = {}
    for kind in reversed(section.__mro__):
        if not kind.__module__.startswith("tfsdiff."):
            continue
        path = Path(inspect.getsourcefile(kind) or "")
        comments, body = _comments(path), _definition(path, kind.__name__).body
        for field in body:
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                found[field.target.id] = _beside(comments, field)
    return found


def _beside(comments: dict[int, tuple[str, bool]], field: ast.AnnAssign) -> str:
    above: list[str] = []
    line = field.lineno - 1
    while line in comments and comments[line][1]:
        above.insert(0, comments[line][0])
        line -= 1
    lines = range(field.lineno, (field.end_lineno or field.lineno) + 1)
    return " ".join([*above, *(comments[n][0] for n in lines if n in comments)])


@cache
def _definition(path: Path, name: str) -> ast.ClassDef:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name]
    return found[0]


def _conditions(section: type) -> list[str]:
    """What the validators of `section` ask for, in the words of their errors."""
    found = []
    for kind in section.__mro__:
        if kind.__module__.startswith("tfsdiff.") and kind.__name__ != "Section":
            body = _definition(Path(inspect.getsourcefile(kind) or ""), kind.__name__)
            for node in ast.walk(body):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "ValueError":
                    found.append(_message(node.args[0]))
    return found


def _message(text: ast.expr) -> str:
    if isinstance(text, ast.JoinedStr):
        parts = [
            part.value if isinstance(part, ast.Constant) else f"*{ast.unparse(part.value)}*"
            for part in text.values
            if isinstance(part, ast.Constant | ast.FormattedValue)
        ]
        return "".join(map(str, parts))
    return str(ast.literal_eval(text))


# Types and ranges


def _type(kind: Any, plural: bool = False) -> str:
    """The type `kind` in words, with its range."""
    if typing.get_origin(kind) is Annotated:
        base, *marks = typing.get_args(kind)
        return _bounded(_type(base, plural), marks)
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        shown = [_type(part, plural) for part in arguments if part is not type(None)]
        return " or ".join(shown) + (" or `null`" if type(None) in arguments else "")
    if typing.get_origin(kind) is tuple:
        return f"list of {_type(arguments[0], plural=True)}"
    words = {int: "integer", float: "number", str: "text", bool: "`true` or `false`"}
    return words[kind] + ("s" if plural and kind is not bool and kind is not str else "")


def _bounded(words: str, marks: Sequence[Any]) -> str:
    bounds: dict[str, Any] = {}
    for mark in marks:
        if getattr(getattr(mark, "func", None), "__name__", "") == "_odd":
            words = f"odd {words}"
        for rule in getattr(mark, "metadata", [mark]):
            for name in ("ge", "gt", "le", "lt"):
                if hasattr(rule, name):
                    bounds[name] = getattr(rule, name)
    if len(bounds) == 2:
        low = f"{'[' if 'ge' in bounds else '('}{bounds.get('ge', bounds.get('gt'))}"
        high = f"{bounds.get('le', bounds.get('lt'))}{']' if 'le' in bounds else ')'}"
        return f"{words} in {low}, {high}"
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    return words + "".join(f" {signs[name]} {bound}" for name, bound in bounds.items())


def _nested(kind: Any) -> type | None:
    """The section that a field holds, if it holds one."""
    from tfsdiff.params import Section

    for part in (kind, *typing.get_args(kind)):
        if isinstance(part, type) and issubclass(part, Section):
            return part
    return None


# Tables


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    escaped = ([cell.replace("|", "\\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)


def _sentence(meaning: str, kind: Any = None) -> str:
    """`meaning` as a sentence; what it says of single values is set apart."""
    values = [str(value) for value in _literals(kind)]
    named = "|".join(map(re.escape, [*values, "null"]))
    meaning = re.sub(rf"(?<![\w`])({named}|[01](?=: )):", r"`\1`:", meaning)
    meaning = re.sub(r"(?<=; )(\d+):", r"`\1`:", meaning)
    return meaning if meaning.startswith("`") else meaning[:1].upper() + meaning[1:]


def _literals(kind: Any) -> Iterator[Any]:
    if typing.get_origin(kind) is Literal:
        yield from typing.get_args(kind)
    else:
        for part in typing.get_args(kind):
            yield from _literals(part)


@dataclass(frozen=True)
class _View:
    """How the fields of a section are shown.

    Attributes:
        among: the profiles whose values are shown.
        apart: sections within it that have a table of their own.
    """

    among: Sequence[str]
    apart: Sequence[type] = ()


def _rows(section: type, key: str, prefix: str, view: _View) -> Iterator[list[str]]:
    """Rows of a table: name, type, value, meaning; of sections within `section` too."""
    kinds = typing.get_type_hints(section, include_extras=True)
    for name, meaning in _fields(section).items():
        below = _nested(kinds[name])
        if len(list(_literals(kinds[name]))) == 1:
            continue  # tells the section from others
        if below is None:
            values = _values(_at(f"{key}.{name}", view.among), view.among)
            yield [f"`{prefix}{name}`", _type(kinds[name]), values, _sentence(meaning, kinds[name])]
        elif below not in view.apart:
            yield from _rows(below, f"{key}.{name}", f"{prefix}{name}.", view)


def _section(section: type, key: str, view: _View) -> str:
    rows = list(_rows(section, key, "", view))
    if not rows:
        return ""
    text = _table(("Parameter", "Type", "Value", "Meaning"), rows)
    parts = (section, *_sections_within(section, view.apart))
    conditions = dict.fromkeys(condition for part in parts for condition in _conditions(part))
    if conditions:
        text += "\n\nConditions:\n\n" + "\n".join(f"- {one}" for one in conditions)
    return text


def _sections_within(section: type, apart: Sequence[type]) -> Iterator[type]:
    for kind in typing.get_type_hints(section, include_extras=True).values():
        below = _nested(kind)
        if below is not None and below not in apart:
            yield below


def _summary(section: type) -> str:
    return inspect.cleandoc(section.__doc__ or "").split("\n\n")[0].replace("\n", " ")


@cache
def _pipeline() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


def _stages(key: str) -> str:
    """The stages that read the section `key`, or make one job for each of its entries."""
    names = [
        name
        for name, stage in _pipeline().items()
        if any(str(one).split(".")[0] == key for one in stage.get("params", []))
        or f"${{{key}}}" in stage.get("matrix", {}).values()
    ]
    if len(names) <= len(_pipeline()) // 2:
        return _code(names)
    return "all but " + _code(name for name in _pipeline() if name not in names)


def common_parameters() -> str:
    """Parameters that belong to no section: single values, and the lists of methods and scales."""
    everywhere = list(profiles())
    rows = []
    for line in (CONF / "config.yaml").read_text(encoding="utf-8").splitlines():
        found = re.match(r"(?P<key>[a-z_]+): (?P<value>[^#]+?)(?: # (?P<meaning>.*))?$", line)
        values = _at(found["key"], everywhere) if found else {}
        if found and not any(isinstance(value, dict) for value in values.values()):
            derived = any(
                f"${{{kind}:" in found["value"]
                for kind in ("learned", "plain", "joined", "without", "with", "of")
            )
            shown = f"`{found['value']}`" if derived else _values(values, everywhere)
            meaning = _sentence(found["meaning"] or "")
            rows.append([f"`{found['key']}`", shown, meaning])
    return _table(("Parameter", "Value", "Meaning"), rows)


SECTIONS = {
    "compute": "Compute",
    "split": "Split",
    "resolution": "Resolution",
    "synthetic": "Synthetic",
    "unet": "UNet",
    "diffusion": "Diffusion",
    "train": "Train",
    "sampling": "Sampling",
    "metrics": "Metrics",
    "quality": "Quality",
    "uncertainty": "Uncertainty",
    "cost": "Cost",
    "report": "Report",
}
SOURCES = {"phantom": "PhantomData", "directory": "DirectoryData", "atlas": "AtlasData"}


def parameters() -> str:
    """One heading and table for each section of `tfsdiff.params`, but those of the data."""
    from tfsdiff import params

    parts = []
    for key, name in SECTIONS.items():
        section = getattr(params, name)
        parts += [f"### {key}", f"{_summary(section)} Stages: {_stages(key)}."]
        parts.append(_section(section, key, _View(list(profiles()))))
    return "\n\n".join(parts)


def data_parameters(source: str) -> str:
    """Table of the parameters of one source of slices."""
    from tfsdiff import params

    section = getattr(params, SOURCES[source])
    names = [name for name, values in profiles().items() if values["data"]["source"] == source]
    text = f"{_summary(section)} Profiles: {_code(names)}. Stages: {_stages('data')}."
    return f"{text}\n\n{_section(section, 'data', _View(names))}"


def method_parameters() -> str:
    """One heading and table for the `Settings` of each method of the registry."""
    from tfsdiff.methods import METHODS

    return "\n\n".join(f"### {name}\n\n{_method(name)}" for name in METHODS)


def _method(name: str) -> str:
    from tfsdiff.methods import method_class
    from tfsdiff.params import Train

    section = method_class(name).Settings
    view = _View(list(profiles()), (Train,))
    page = name if (ROOT / f"docs/methods/{name}.md").exists() else "controls"
    summary = f"{_summary(section)} More: [{name}](../methods/{page}.md)."
    parts = [summary, _section(section, f"methods.{name}", view)]
    parts = [part for part in parts if part]
    if "train" in _fields(section):
        parts += [
            f"`train`, how {name} is trained, has the parameters of [train](#train):",
            _train_values(f"methods.{name}.train"),
        ]
    return "\n\n".join(parts)


def _train_values(key: str) -> str:
    from tfsdiff.params import Train

    among = list(profiles())
    rows = [
        [f"`train.{name}`", _values(_at(f"{key}.{name}", among), among)] for name in _fields(Train)
    ]
    return _table(("Parameter", "Value"), rows)


def variants() -> str:
    """Table of the variants: ablations of joint methods, and settings of fusers."""
    among = list(profiles())
    rows = []
    for name in profiles()[among[0]]["variants"]:
        one = {key: _at(f"variants.{name}.{key}", among) for key in ("label", "method", "changes")}
        changes = {
            profile: ", ".join(f"{key}: {_value(value)[1:-1]}" for key, value in changed.items())
            for profile, changed in one["changes"].items()
        }
        label, method = (next(iter(one[key].values())) for key in ("label", "method"))
        rows.append([f"`{name}`", f"`{method}`", _values(changes, among), label])
    return _table(("Variant", "Method", "Changes", "Label"), rows)


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


# Commands


def command(name: str) -> str:
    """Usage and options of one command of `tfsdiff`."""
    from tfsdiff.cli import COMMANDS, parser

    top = parser()
    below = next(a for a in top._actions if isinstance(a, argparse._SubParsersAction))
    own = below.choices[name]
    end = COMMANDS[name].epilog()
    if " Conventions: " in end:
        end = f"{end.split(' Conventions: ')[0]} Conventions: [metrics](metrics.md)."
    return f"{COMMANDS[name].SUMMARY}\n\n{_usage(own)}\n\n{end}"


def compose_command() -> str:
    """Usage of `python -m tfsdiff.compose`."""
    from tfsdiff import compose

    return f"{inspect.cleandoc(compose.__doc__ or '')}\n\n{_usage(compose.parser())}"


def _usage(parser: argparse.ArgumentParser) -> str:
    actions = [a for a in parser._actions if not isinstance(a, argparse._HelpAction)]
    options = [a for a in actions if a.option_strings]
    needed = [_spelt(a) for a in options if a.required]
    given = [_named(a) for a in actions if not a.option_strings]
    more = ["[OPTION ...]"] if len(needed) < len(options) else []
    usage = " ".join([parser.prog, *needed, *more, *given])
    rows = [
        [
            f"`{_spelt(a)}`".replace("|", "` or `"),
            "yes" if a.required and a.nargs != "*" else "",
            a.help or "",
        ]
        for a in sorted(actions, key=lambda a: (not a.required, bool(a.option_strings)))
    ]
    return f"```text\n{usage}\n```\n\n{_table(('Argument', 'Required', 'Meaning'), rows)}"


def _spelt(action: argparse.Action) -> str:
    return " ".join([*action.option_strings[-1:], _named(action)]).strip()


def _named(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    names = action.metavar or (action.dest.upper() if action.option_strings else action.dest)
    if isinstance(names, tuple):
        return " ".join(names)
    if action.nargs == "*":
        return f"[{names} ...]"
    return " ".join([names] * (action.nargs if isinstance(action.nargs, int) else 1))


def stages() -> str:
    """Table of the stages, as dvc.yaml describes them."""
    rows = []
    for name, stage in _pipeline().items():
        each = ", ".join(
            f"{key} of {_code([str(value)[2:-1]] if '$' in str(value) else value)}"
            for key, value in stage.get("matrix", {}).items()
        )
        rows.append([f"`{name}`", stage["desc"], each])
    return _table(("Stage", "What it does", "One job for each"), rows)


def targets() -> str:
    """Table of the targets of make, from the comments beside them."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    found = re.findall(r"^([a-z-]+):.*?## (.*)$", text, re.MULTILINE)
    return _table(("Command", "What it does"), [[f"`make {name}`", what] for name, what in found])


# Metrics


def metrics() -> str:
    """Table of the metrics, as their registry has them."""
    from tfsdiff.metrics.registry import METRICS
    from tfsdiff.metrics.score import smallest_side

    rows = [
        [
            f"[{name}](#{name.lower()})",
            metric.better,
            "sources, truth" if metric.needs_reference else "none",
            f"{smallest_side(metric)} pixels" if smallest_side(metric) > 1 else "",
            metric.convention,
        ]
        for name, metric in METRICS.items()
    ]
    return _table(("Metric", "Better", "Compared with", "Smallest side", "Convention"), rows)


def metric_source(name: str) -> str:
    """Where a metric is computed, as a link."""
    from tfsdiff.metrics.registry import METRICS

    module, _, function = METRICS[name].function.partition(":")
    return f"[`{function}`](../../src/{module.replace('.', '/')}.py)"


BLOCKS: dict[str, Callable[..., str]] = {
    "parameters": parameters,
    "common-parameters": common_parameters,
    "data-parameters": data_parameters,
    "method-parameters": method_parameters,
    "variant-settings": variants,
    "command": command,
    "compose-command": compose_command,
    "stages": stages,
    "targets": targets,
    "metrics": metrics,
    "metric-source": metric_source,
}
