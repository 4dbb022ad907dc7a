# SPDX-License-Identifier: GPL-2.0
#
# Counts the results in groups of TAP lines, each between "#@ run NAME" and
# "#@ status NAME N", and prints the failures, then "passed failed skipped".
# A group that ends early, short of its plan, or with a status that its results do
# not explain, is a failure of its own, and so is having no group at all. KTAP's nested results count in place of the
# result that sums them up.

# What was said since the last result says more about this one.
function fail(why) {
	failed++
	print "  " group ": " why
	printf "%s", said
}

function close_group() {
	if (group == "")
		return
	if (plan == "")
		fail("no plan")
	else if (seen != plan)
		fail(seen " of " plan " results")
	else if (status == "")
		fail("did not end")
	else if (status != 0 && status != 4 && failed == failed_before)
		fail("exit status " status)
	group = ""
}

function open_group(name) {
	close_group()
	group = name
	groups++
	plan = status = ""
	seen = 0
	failed_before = failed
	split("", below)
}

# Results one level down since the last result at this level.
function sums_up(depth,    count) {
	count = below[depth + 1]
	below[depth + 1] = 0
	below[depth]++
	return count > 0
}

function result(line,    depth, good) {
	match(line, /^ */)
	depth = int(RLENGTH / 4)
	good = line !~ /^ *not ok/
	if (depth == 0)
		seen++
	if (sums_up(depth) && (good || failed > failed_before))
		return
	if (!good)
		fail(substr(line, RLENGTH + 1))
	else if (line ~ /# SKIP/)
		skipped++
	else
		passed++
}

{ sub(/\r$/, "") }
/^ *# .*:[0-9]+:/ { said = said "      " substr($0, 3) "\n" }
/^#@ run / { open_group($3); next }
/^#@ status / { status = $4; close_group(); next }
/^1\.\.[0-9]+/ { if (group != "") plan = substr($1, 4) + 0; next }
/^ *(not )?ok / { if (group != "") result($0); said = "" }
END {
	close_group()
	if (!groups) {
		group = "all"
		fail("no results")
	}
	print passed + 0, failed + 0, skipped + 0
}
