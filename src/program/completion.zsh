#compdef keepalivedctl
_keepalivedctl() {
    local names
    if (( CURRENT == 2 )); then compadd WORDS
    elif [[ $words[2] == check ]]; then _files
    else case $words[2] in
        completion) compadd bash zsh;;
        checkers) compadd -- --json --watch;;
        maintenance) compadd -- on off --until-start;;
        status|events|why|garp|enable|drain|weight|failover)
            names=(${(f)"$(command $words[1] status --json 2>/dev/null | grep -o '{"name":"[^"]*' | cut -d'"' -f4)"})
            compadd -a names
            case $words[2] in
                status) compadd -- --json --watch;;
                events) compadd -- --json -f;;
                failover) compadd -- --undo --until-start;;
            esac;;
    esac; fi
}
compdef _keepalivedctl keepalivedctl
