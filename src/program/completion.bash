_keepalivedctl() {
    local words='WORDS' name cut cur=${COMP_LINE:0:COMP_POINT}
    cur=${cur##* } cut=${cur%"$2"}
    [ "$COMP_CWORD" -gt 1 ] && case "${COMP_WORDS[1]}" in
        check) COMPREPLY=($(compgen -f -- "$2")); return;;
        completion) words='bash zsh';;
        status) words='--json --watch NAMES';;
        events) words='--json -f NAMES';;
        checkers) words='--json --watch';;
        maintenance) words='on off --until-start';;
        failover) words='--undo --until-start NAMES';;
        why|garp|enable|drain|weight) words=NAMES;;
        *) words='--watch';;
    esac
    COMPREPLY=()
    while IFS= read -r name; do
        if [[ $name = "$cur"* ]]; then printf -v name %q "${name#"$cut"}"
        else
            printf -v name %q "$name"
            [[ $name = "$cur"* ]] || continue
            name=${name#"$cut"}
        fi
        COMPREPLY+=("$name")
    done < <(printf '%s\n' ${words%NAMES}
        [[ $words != *NAMES ]] || command "$1" status --json 2>/dev/null | grep -o '{"name":"[^"]*' | cut -d'"' -f4)
}
complete -F _keepalivedctl keepalivedctl
