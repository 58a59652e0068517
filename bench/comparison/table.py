"""Writes results as the table of RESULTS.md."""

BEGIN, END = "<!-- compare:begin -->", "<!-- compare:end -->"


def show(value, unit):
    if value is None:
        return "–"
    if unit == "bytes":
        return f"{value / 1024:,.1f} KiB" if abs(value) < 2**20 else f"{value / 2**20:,.0f} MiB"
    if unit == "s":
        return f"{value * 1000:,.0f} ms" if value < 1 else f"{value:,.1f} s"
    if unit == "/s":
        return f"{value:,.0f}/s"
    digits = 2 if abs(value) < 10 else 0
    return f"{value:,.{digits}f} " + {"us": "µs", "x": "×"}.get(unit, unit)


def bound_of(line, results):
    """What Millrace must reach: (text, limit, whether more is better)."""
    if line.at_least is not None:
        return f"≥ {show(line.at_least, line.unit)}", line.at_least, True
    if line.at_most is not None:
        return f"≤ {show(line.at_most, line.unit)}", line.at_most, False
    if line.at_most_measured is not None:
        whose, limit = line.at_most_measured(results)
        return f"≤ {show(limit, line.unit)} ({whose})", limit, False
    return "", None, False


def table(rows, results, failures, noisy):
    """`results[row key][broker name][metric]`; `failures[row key][broker name]` is text; `noisy` are keys of rows before
    which the machine was not quiet."""
    out = ["| load | RabbitMQ | Millrace | Millrace is better by | must reach | does |", "|---|---|---|---|---|---|"]
    for row in rows:
        measured = results.get(row.key, {})
        failed = failures.get(row.key, {})
        for number, line in enumerate(row.lines):
            cells = {}
            for name in ("RabbitMQ", "Millrace"):
                value = measured.get(name, {}).get(line.metric)
                cells[name] = "failed" if value is None and name in failed else show(value, line.unit)
            peer = measured.get("RabbitMQ", {}).get(line.metric)
            ours = measured.get("Millrace", {}).get(line.metric)
            factor = ""
            if peer and ours and min(peer, ours) > 0 and line.unit != "%":
                factor = f"{ours / peer if line.more_is_better else peer / ours:,.1f} ×"
            text, limit, more = bound_of(line, measured)
            verdict = ""
            if limit is not None and ours is not None:
                verdict = "yes" if (ours >= limit if more else ours <= limit) else "**no**"
            elif limit is not None and "Millrace" in failed:
                verdict = "**no**"
            if verdict and row.key in noisy:
                verdict += " (busy)"
            label = line.label or "messages"
            if number > 0:
                label = "… " + label
            out.append(f"| {label} | {cells['RabbitMQ']} | {cells['Millrace']} | {factor} | {text} | {verdict} |")
    return out


def replace_between_markers(text, content):
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"RESULTS.md has no {BEGIN} … {END}")
    return f"{before}{BEGIN}\n{content}\n{END}{after}"
