# Stands in for /usr/share/libubox/jshn.sh: prints the JSON that a script puts together.

_json="" _comma=""
_json_key() { _json="$_json$_comma"; [ -n "$1" ] && _json="$_json\"$1\":"; _comma=","; }
json_init() { _json="{" _comma=""; _closing="}"; }
json_add_object() { _json_key "$1"; _json="$_json{"; _comma=""; }
json_close_object() { _json="$_json}"; _comma=","; }
json_add_array() { _json_key "$1"; _json="$_json["; _comma=""; }
json_close_array() { _json="$_json]"; _comma=","; }
json_add_string() { _json_key "$([ -n "$1" ] && echo "$1")"; _json="$_json\"$2\""; }
json_add_int() { _json_key "$1"; _json="$_json$2"; }
json_dump() { echo "$_json$_closing"; }
