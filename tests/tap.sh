# tap.sh - tap.h for the shell: to be sourced from the top folder.

count=0
failed=0
beside=()  # The checks of check_beside(): a process and what it is about.

# $1: a status, $2: what is true if it is 0, $3: what was printed, which is shown
# only if it is not.
record() {
    count=$((count + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $count - $2"
        return
    fi
    failed=$((failed + 1))
    echo "not ok $count - $2"
    printf '%s\n' "$3" | sed 's/^/# /'
}

# $1: what is true if the command that follows succeeds.
check() {
    local what=$1 said
    shift
    said=$("$@" 2>&1)
    record $? "$what" "$said"
}

# Like check(), but skips the check if the program $1 is not installed. With
# REQUIRE=all in the environment it fails.
check_with() {
    local program=$1 what=$2
    shift
    if command -v "$program" >/dev/null; then
        check "$@"
    elif [ "${REQUIRE-}" = all ]; then
        record 1 "$what" "no $program"
    else
        skip "no $program: $what"
    fi
}

# The same beside what follows. $1: a file for what the command prints.
check_beside() {
    local file=$1 what=$2
    shift 2
    "$@" >"$file" 2>&1 &
    beside+=("$! $file $what")
}

# Runs a command until it succeeds, for five minutes at most: on a busy machine,
# Python alone may take 10 s to start.
eventually() {
    local end=$((SECONDS + 300))
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return
        sleep 0.05
    done
}

# Says that something is not tested, and why.
skip() {
    echo "# skipped: $*"
}

done_testing() {
    local one pid file what
    for one in "${beside[@]}"; do
        read -r pid file what <<<"$one"
        wait "$pid"
        record $? "$what" "$(cat "$file")"
    done
    echo "1..$count"
    echo "# $((count - failed)) passed, $failed failed"
    [ "$failed" -eq 0 ]
}
