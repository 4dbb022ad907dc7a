#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# report.py BENCH WINDOWS SYMBOLS JSON FUNCTIONS: what the host executed for one event of
# each row of build/bench.json. A table goes to standard output, the same as JSON and the
# functions by instructions to files.

import bisect
import collections
import json
import sys

# Each row is measured in so many loops, of which the first fills what fills once.
LOOPS = 10

# What is dear on a chip, with the heads of its columns.
DEAR = {
    "vm_entry": "entry",
    "vmread": "vmread",
    "vmwrite": "vmwrite",
    "vmptrld": "vmptrld",
    "vmclear": "vmclear",
    "vmxon": "vmxon",
    "vmxoff": "vmxoff",
    "invept": "invept",
    "invvpid": "invvpid",
    "mov_to_cr": "mov cr",
    "rdmsr": "rdmsr",
    "wrmsr": "wrmsr",
    "descriptor_table": "gdt idt",
    "xsetbv": "xsetbv",
    "rdtsc": "rdtsc",
    "atomic": "atomic",
}


def windows(path):
    """The windows of a file, in order: events, and counts by name and by address."""
    found = []
    with open(path) as lines:
        for line in lines:
            word, *numbers = line.split()
            if word == "window":
                found.append((int(numbers[1]), collections.Counter()))
            else:
                found[-1][1][word] += int(numbers[0])
    return found


def row(loops):
    """Counts of one event, of all loops but the first."""
    events = sum(events for events, _ in loops[1:])
    total = sum((counts for _, counts in loops[1:]), collections.Counter())
    return {name: count / events for name, count in total.items()}


def symbols(path):
    """Addresses of functions in ascending order, and their names."""
    with open(path) as lines:
        words = [line.split() for line in lines]
    found = sorted((int(w[0], 16), " ".join(w[2:])) for w in words if w[1] in "tTwW")
    return [address for address, _ in found], [name for _, name in found]


def functions(counts, addresses, names):
    """Instructions by function, the most first."""
    total = collections.Counter()
    for word, count in counts.items():
        if word.startswith("@"):
            place = bisect.bisect_right(addresses, int(word[1:], 16)) - 1
            total[names[place] if place >= 0 else "(the program)"] += count
    return total.most_common()


def show(figures, rows):
    """The table, without the columns that are empty."""
    used = [name for name in DEAR if any(row.get(name, 0) >= 0.005 for row in rows)]
    print(f"{'':<27}{'instr.':>8}" + "".join(f"{DEAR[name]:>8}" for name in used))
    event = None
    for figure, row in zip(figures, rows):
        if figure["event"] != event:
            event = figure["event"]
            print(event)
        print(f"  {figure['subject'] + ' ' + figure['mmu']:<25}{row['instructions']:>8.0f}", end="")
        print("".join(f"{cell(row.get(name, 0)):>8}" for name in used))


def cell(count):
    return "-" if count < 0.005 else f"{count:.2f}".rstrip("0").rstrip(".")


def main(bench, log, kallsyms, table, by_function):
    with open(bench) as file:
        figures = json.load(file)
    found = windows(log)
    if len(found) != LOOPS * len(figures):
        sys.exit(f"{len(found)} loops were counted, of {len(figures)} rows")
    rows = [row(found[i * LOOPS : (i + 1) * LOOPS]) for i in range(len(figures))]
    order = {name: i for i, name in enumerate(dict.fromkeys(f["event"] for f in figures))}
    pairs = sorted(zip(figures, rows), key=lambda pair: order[pair[0]["event"]])
    show(*zip(*pairs))
    known = symbols(kallsyms)
    with open(by_function, "w") as file:
        for figure, counts in pairs:
            print(figure["event"], figure["subject"], figure["mmu"], file=file)
            for name, count in functions(counts, *known):
                if count >= 0.5:
                    print(f"{count:10.1f}  {name}", file=file)
    with open(table, "w") as file:
        keep = ("event", "subject", "mmu", "ticks", "model")
        names = ("instructions", "guest", *DEAR)
        json.dump(
            [
                {key: figure[key] for key in keep}
                | {name: round(counts.get(name, 0), 3) for name in names}
                for figure, counts in pairs
            ],
            file,
            indent=2,
        )


main(*sys.argv[1:])
