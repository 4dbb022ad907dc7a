#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Do the documents tell the truth about the tree? Links lead to files, and in tables that
# have a number of lines behind links to files, it is theirs to a tenth.

set -eu

cd "$(dirname "$0")/.."
status=0

complain() {
	echo "$*" >&2
	status=1
}

# links DOCUMENT: where its relative links lead to, from the top.
links() {
	grep -oE '\]\([^)#]+' "$1" | sed 's/^](//' | grep -v '://' |
		while read -r link; do
			realpath -m --relative-to=. "$(dirname "$1")/$link"
		done
}

# check_lines DOCUMENT ROW: a row of a table, its links and its number.
check_lines() {
	local files said counted
	said=$(awk -F ' *[|] *' '{ print $4 }' <<<"$2")
	[[ $said =~ ^[0-9]+$ ]] || return 0
	files=$(links <(echo "$2") | sed 's,^.*/\(\(src\|rust\|uapi\)/\),\1,')
	# shellcheck disable=SC2086 # Names without spaces, a word each.
	counted=$(cat $files | wc -l)
	if [ $((counted * 10)) -gt $((said * 11)) ] || [ $((counted * 10)) -lt $((said * 9)) ]; then
		complain "$1: $counted lines, not $said: $files"
	fi
}

for document in README.md Documentation/*.md; do
	while read -r file; do
		[ -e "$file" ] || complain "$document: no $file"
	done < <(links "$document")
	while read -r row; do
		check_lines "$document" "$row"
	done < <(grep '^|' "$document")
done

exit "$status"
