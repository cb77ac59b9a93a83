#!/bin/sh
# Makes a C header of SQL files: embed_sql.sh OUTPUT INPUT...
# schema.sql becomes sql_schema, migrations/0002.sql becomes sql_migration_0002.
set -eu

output=$1
shift
{
	echo '/* Made by store/embed_sql.sh. */'
	echo '#pragma once'
	for input in "$@"; do
		name=$(basename "$input" .sql)
		case $input in
		*migrations/*) name=migration_$name ;;
		esac
		echo
		echo "static const char sql_$name[] ="
		sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/?/\\?/g' -e 's/^/	"/' -e 's/$/\\n"/' "$input"
		echo '	;'
	done
} >"$output.tmp"
mv "$output.tmp" "$output"
