"""Generated blocks of the results: tables, and numbers in prose, of runs collected by collect.py.

RUN is a folder of docs/results, SCALE is written x4, ROW is the name of a row of Table 1 or 2 in
the CSV files (tfsdiff, bitonicx-sr3, tfsdiff_l1), and AGAINST is truth (default) or sources. Tables
are those of `tfsdiff.report`. A block that states an order fails where the numbers no longer have
it.
"""

import json
import textwrap
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from tfsdiff.evaluation.cost import Costs
from tfsdiff.evaluation.leakage import Leak, Neighbour
from tfsdiff.evaluation.rows import Row
from tfsdiff.evaluation.scores import Summary
from tfsdiff.metrics.registry import METRICS
from tfsdiff.report import cost_table, leakage_table, ranking, render, variants_table
from tfsdiff.report.labels import method_label

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs/results"
FIGURES = ROOT / "docs/figures"
README_METRICS = "PSNR,SSIM,LPIPS"
PUBLISHED_STEPS, PUBLISHED_BATCH, PUBLISHED_PARAMETERS = 800_000, 32, 97_811_034  # TFS-Diff's
PLACES = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")


@cache
def _csv(run: str, name: str) -> pd.DataFrame:
    path = RESULTS / run / f"{name}.csv"
    if not path.is_file():
        raise ValueError(f"{path.relative_to(ROOT)} is not there; docs/tools/collect.py makes it")
    return pd.read_csv(path, dtype={"scale": str}, keep_default_na=False, na_values=[""])


@cache
def _json(run: str) -> dict[str, Any]:
    return json.loads((RESULTS / run / "run.json").read_text(encoding="utf-8"))


@cache
def _params(run: str) -> dict[str, Any]:
    return yaml.safe_load((RESULTS / run / "params.yaml").read_text(encoding="utf-8"))


def _number(value: Any) -> float | None:
    return None if pd.isna(value) or value == "" else float(value)


def _options(words: tuple[str, ...], **defaults: str) -> dict[str, str]:
    given = dict(word.split("=", 1) for word in words)
    if unknown := given.keys() - defaults.keys():
        raise ValueError(f"{min(unknown)} is none of {', '.join(defaults)}")
    return defaults | given


def _scores(line: pd.Series) -> dict[str, float | None]:
    """Scores of one row; None for metrics that were added after the run."""
    return {name: _number(line.get(name)) for name in METRICS}


# Tables 1 and 2


def table(run: str, number: str, scale: str, *options: str) -> str:
    """Table 1 or 2 at one scale.

    Options: against=truth, rows=all (ranked, controls, or names joined by commas), columns=all
    (names of metrics joined by commas).
    """
    lines = _csv(run, f"table{number}").query("scale == @scale.removeprefix('x')")
    scored = [name for name in METRICS if name in lines]
    chosen = _options(options, against="truth", rows="all", columns=",".join(scored))
    wanted = _wanted(lines, chosen["rows"])
    labels, summaries, controls = {}, {}, []
    for name, both in lines.groupby("row", sort=False):
        if name not in wanted:
            continue
        row = Row(name, None, int(both["scale"].iloc[0]))
        labels[row] = both["label"].iloc[0]
        blocks = {line["against"]: _scores(line) for _, line in both.iterrows()}
        summaries[row] = Summary(1, **blocks, empty={})
        if both["control"].iloc[0] == "yes":
            controls.append(row)
    ranked = tuple(row for row in labels if row not in controls)
    block = ranking.Block(int(scale.removeprefix("x")), ranked, tuple(controls))
    grids = ranking.rank("", [block], summaries, labels).grids
    (grid,) = [one for one in grids if one.title == ranking.TITLES[chosen["against"]]]
    if not ranked:  # the rule names what no row is then set apart from
        grid = render.Grid(grid.heads, grid.rows[1:])
    return _markdown(_columns(grid, chosen["columns"].split(",")))


def _wanted(lines: pd.DataFrame, rows: str) -> list[str]:
    if rows == "all":
        return list(lines["row"])
    if rows in ("ranked", "controls"):
        return list(lines[lines["control"] == ("no" if rows == "ranked" else "yes")]["row"])
    return rows.split(",")


def _columns(grid: render.Grid, metrics: list[str]) -> render.Grid:
    kept = [0, *(grid.heads.index(ranking.head(name)) for name in metrics)]
    rows = tuple(
        row if isinstance(row, render.Rule) else tuple(row[place] for place in kept)
        for row in grid.rows
    )
    return render.Grid(tuple(grid.heads[place] for place in kept), rows)


def _markdown(grid: render.Grid) -> str:
    return render.to_markdown(render.Document("", (grid,))).strip()


def readme_table() -> str:
    """Six methods at x4 against the truth, by three metrics."""
    return table("harvard", "1", "x4", "rows=ranked", f"columns={README_METRICS}")


# Numbers in prose


def _value(run: str, scale: str, row: str, metric: str, against: str) -> float:
    for number in (1, 2):
        found = _csv(run, f"table{number}").query(
            "scale == @scale.removeprefix('x') and row == @row and against == @against"
        )
        if len(found):
            return float(found.iloc[0][metric])
    raise ValueError(f"no row {row} at {scale} in the tables of {run}")


def value(run: str, scale: str, row: str, metric: str, against: str = "truth") -> str:
    """Score of one row, as tables print it."""
    return ranking.printed(_value(run, scale, row, metric, against), METRICS[metric].decimals)


def difference(
    run: str, scales: str, better: str, worse: str, metric: str, against: str = "truth"
) -> str:
    """By how much one row is better than another, as much as the printed scores differ.

    At several scales, joined by commas, there are as many numbers.

    Raises:
        ValueError: it is not better at one of them.
    """
    decimals = METRICS[metric].decimals
    leads = []
    for scale in scales.split(","):
        first, second = (
            round(_value(run, scale, row, metric, against), decimals) for row in (better, worse)
        )
        lead = first - second if METRICS[metric].better == "higher" else second - first
        if lead <= 0:
            raise ValueError(f"{scale}: {better} ({first}) is not better than {worse} ({second})")
        leads.append(f"{lead:.{1 if metric == 'PSNR' else decimals}f}")
    *others, last = leads
    return f"{', '.join(others)} and {last}" if others else last


def _order(run: str, scale: str, metric: str, against: str) -> pd.DataFrame:
    lines = _csv(run, "table1").query(
        "scale == @scale.removeprefix('x') and control == 'no' and against == @against"
    )
    return lines.sort_values(metric, ascending=METRICS[metric].better == "lower", kind="stable")


def best(run: str, scale: str, metric: str, against: str = "truth") -> str:
    """Name for readers of the ranked row of Table 1 that is best."""
    return _order(run, scale, metric, against).iloc[0]["label"]


def place(run: str, scale: str, row: str, metric: str, against: str = "truth") -> str:
    """Place of a ranked row of Table 1 in words: first, second and so on."""
    return PLACES[list(_order(run, scale, metric, against)["row"]).index(row)]


def count(run: str, key: str) -> str:
    """A number of the data or the machine in run.json, by its dotted key."""
    return _at(_json(run), key)


def parameter(run: str, key: str) -> str:
    """A parameter of the run, by its dotted key."""
    return _at(_params(run), key)


def share(run: str, of: str) -> str:
    """Pixels of a training, or parameters of TFS-Diff, as a share of the published ones."""
    train, side = _params(run)["train"], _params(run)["resolution"]["hr_pixels"]
    if of == "pixels":
        published = PUBLISHED_STEPS * PUBLISHED_BATCH * side**2
        own = train["steps"] * train["batch"] * (train["crop_pixels"] or side) ** 2
    else:
        published = PUBLISHED_PARAMETERS
        own = int(_csv(run, "cost").set_index("row").loc["tfsdiff", "parameters"])
    return f"1/{float(f'{published / own:.2g}'):,.0f}".replace(",", " ")


def _at(values: Any, key: str) -> str:
    for part in key.split("."):
        values = values[part]
    return ", ".join(map(str, values)) if isinstance(values, list) else str(values)


# What methods cost


def cost(run: str, rows: str = "all") -> str:
    """What methods cost; rows: all, or ranked (those of Table 1 that are ranked)."""
    lines = _csv(run, "cost").set_index("row")
    found = {
        name: Costs(
            int(line["parameters"]),
            None if pd.isna(line["operations"]) else int(line["operations"]),
            float(line["seconds"]),
            None if pd.isna(line["peak_bytes"]) else int(line["peak_bytes"]),
        )
        for name, line in lines.iterrows()
    }
    table1 = _csv(run, "table1")
    at = table1["scale"] == str(_params(run)["cost"]["scale"])
    first = table1[at & (table1["against"] == "truth")]
    labels = dict(zip(first["row"], first["label"], strict=True))
    named = {row: labels[row] for row in found if row in labels and not row.endswith("-full")}
    if rows == "ranked":
        ranked = set(first[first["control"] == "no"]["row"])
        named = {row: label for row, label in named.items() if row in ranked}
    parts = {
        row: labels.get(row, f"{method_label(row)}, three sources")
        for row in found
        if row.endswith("-full") or row not in labels
    }
    document = cost_table.document(
        "",
        {label: found[row] for row, label in named.items()},
        {label: found[row] for row, label in parts.items()},
        (),
    )
    (grid,) = document.grids
    if rows == "ranked":
        grid = render.Grid(grid.heads, grid.rows[: len(named)])
    return _markdown(grid)


def cost_of(run: str, row: str, field: str) -> str:
    """One number of the costs: parameters, operations, seconds or peak_bytes."""
    line = _csv(run, "cost").set_index("row").loc[row, field]
    if field == "seconds":
        return cost_table.duration(float(line))
    return cost_table.quantity(int(line), {"operations": "FLOP", "peak_bytes": "B"}.get(field, ""))


def cost_notes(run: str) -> str:
    """What the numbers of the costs mean, a list."""
    compute = _params(run)["compute"]
    repeats = _params(run)["cost"]["repeats"]
    notes = cost_table.notes(compute["device"], compute["threads"], repeats)
    return "\n".join(
        textwrap.fill(f"- {render.markdown_text(note)}", 118, subsequent_indent="  ")
        for note in notes
    )


# Variants of the fusers


def variants(run: str) -> str:
    """What slots, order and quirks change in the fusers."""
    lines = []
    for keys, both in _csv(run, "variants").groupby(["fuser", "variant", "settings"], sort=False,
                                                    dropna=False):  # fmt: skip
        blocks = {line["against"]: _scores(line) for _, line in both.iterrows()}
        settings = "" if pd.isna(keys[2]) else keys[2]
        agreement = _number(both["agreement"].iloc[0])
        lines.append(
            variants_table.Line(
                keys[0], keys[1], settings, agreement, Summary(1, **blocks, empty={})
            )
        )
    return _markdown(variants_table.document(lines, "").grids[0])


def variant_gain(run: str, fuser: str, better: str, worse: str, metric: str) -> str:
    """By how much one variant of a fuser comes closer to the truth than another.

    Raises:
        ValueError: it does not.
    """
    lines = _csv(run, "variants").query("fuser == @fuser and against == 'truth'")
    scores = dict(zip(lines["variant"], lines[metric].astype(float), strict=True))
    gain = scores[better] - scores[worse]
    if METRICS[metric].better == "lower":
        gain = -gain
    if gain <= 0:
        raise ValueError(f"{fuser}: {better} is not better than {worse}")
    return f"{gain:.{1 if metric == 'PSNR' else METRICS[metric].decimals}f}"


# Leakage, quality, uncertainty


def leakage(run: str, part: str = "all") -> str:
    """How similar held-out groups are to their nearest in training, by both splits."""
    leaks = []
    for (rule, held), lines in _csv(run, "leakage").groupby(["rule", "part"], sort=False):
        if part in ("all", held):
            leaks.append(Leak(rule, held, tuple(_neighbour(line) for _, line in lines.iterrows())))
    return _markdown(leakage_table.document(leaks, "").grids[0])


def _neighbour(line: pd.Series) -> Neighbour:
    """A neighbour without its groups, which the table does not name."""
    return Neighbour(None, None, _number(line["similarity"]), line["patient_seen"] == "yes")


def _samplings(run: str, method: str) -> pd.DataFrame:
    return _csv(run, f"quality-{method}").query("against == 'truth'")


def quality(run: str, method: str, metric: str) -> str:
    """One metric by sampler and evaluations; METHOD is e.g. tfsdiff-x4."""
    lines = _samplings(run, method)
    counts = sorted(lines["evaluations"].unique())
    rows = []
    for sampler, own in lines.groupby("sampler"):
        scores = dict(zip(own["evaluations"], own[metric], strict=True))
        cells = [
            render.EMPTY
            if _number(scores.get(one)) is None
            else ranking.printed(float(scores[one]), METRICS[metric].decimals)
            for one in counts
        ]
        rows.append(tuple(map(render.Cell, (sampler, *cells))))
    heads = ("Sampler", *map(str, counts))
    return _markdown(render.Grid(heads, tuple(rows)))


def sampled(run: str, method: str, sampler: str, evaluations: str, metric: str) -> str:
    """Score of one sampler at one number of evaluations; `most` is the full chain."""
    own = _samplings(run, method).query("sampler == @sampler").set_index("evaluations")
    most = own.index.max() if evaluations == "most" else int(evaluations)
    return ranking.printed(float(own.loc[most, metric]), METRICS[metric].decimals)


def best_evaluations(run: str, method: str, sampler: str, metric: str) -> str:
    """Evaluations at which one sampler scores best."""
    own = _samplings(run, method).query("sampler == @sampler").set_index("evaluations")[metric]
    found = own.astype(float)
    return str(found.idxmax() if METRICS[metric].better == "higher" else found.idxmin())


def uncertainty(run: str, method: str, field: str) -> str:
    """Correlation of deviation and error, or RMSE over deviation (`ratio`); e.g. tfsdiff-x4."""
    lines = _csv(run, f"uncertainty-{method}").astype({"bin": str}).set_index("bin").loc["all"]
    if field == "ratio":
        return f"{float(lines['rmse']) / float(lines['deviation']):.1f}"
    return f"{float(lines[field]):.2f}"


# Provenance


def provenance(run: str) -> str:
    """What made the numbers of a run: a table of two columns."""
    found, data = _json(run), _json(run)["data"]
    split = data["split"]
    parts = ", ".join(
        f"{split[part]['groups']} groups of {_plural(split[part]['patients'], 'patient')} {verb}"
        for part, verb in (("train", "for training"), ("validation", "for validation"),
                           ("test", "for the test"))
        if part in split
    )  # fmt: skip
    machine = found["machine"]
    pairs = f"{data['pairs']} pairs, " if data["pairs"] else ""
    lines = {
        "Profile": f"`{found['profile']}`",
        "Commands": f"`{found['command']}`, then `snakemake --cores 2 all`",
        "Code": f"commit `{found['commit']}`" + (", changed" if found["changed"] else ""),
        "Data": f"{data['groups']} groups of {_plural(data['patients'], 'patient')} "
        f"({data['source']}), {pairs}{data['pixels']} × {data['pixels']} pixels",
        "Split": f"{split['rule']}: {parts}",
        "Machine": f"{machine['device']} a job, {machine['cores']} cores, "
        f"{machine['memory_gib']} GiB memory, no GPU",
        "Versions": ", ".join(f"{name} {number}" for name, number in found["versions"].items()),
    }
    if found["duration"]:
        lines["Duration"] = (
            f"{found['duration']['clock']} by the clock, {found['duration']['jobs']} jobs"
        )
    if found["note"]:
        lines["Note"] = found["note"]
    return "\n".join(["| | |", "| --- | --- |", *(f"| {k} | {v} |" for k, v in lines.items())])


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


# Figures


def figure(name: str, text: str, up: str = "../figures") -> str:
    """A chart in its light and its dark version; `up` is the way from the page to the figures."""
    for theme in ("light", "dark"):
        if not (FIGURES / f"{name}-{theme}.svg").is_file():
            raise ValueError(f"docs/figures/{name}-{theme}.svg is not there; run figures.py")
    return (
        f'<picture>\n<source media="(prefers-color-scheme: dark)" srcset="{up}/{name}-dark.svg">\n'
        f'<img src="{up}/{name}-light.svg" alt="{text}">\n</picture>'
    )


BLOCKS = {
    "table": table,
    "readme-table": readme_table,
    "value": value,
    "difference": difference,
    "best": best,
    "place": place,
    "count": count,
    "parameter": parameter,
    "share": share,
    "cost": cost,
    "cost-of": cost_of,
    "cost-notes": cost_notes,
    "variants": variants,
    "variant-gain": variant_gain,
    "leakage": leakage,
    "quality": quality,
    "sampled": sampled,
    "best-evaluations": best_evaluations,
    "uncertainty": uncertainty,
    "provenance": provenance,
    "figure": figure,
}
