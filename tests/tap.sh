# tap.sh - tap.h for the shell: to be sourced from the top folder.

count=0
failed=0

# $1: what is true if the command that follows succeeds. What it prints is shown
# only if it does not.
check() {
    local what=$1 said
    shift
    count=$((count + 1))
    if said=$("$@" 2>&1); then
        echo "ok $count - $what"
        return
    fi
    failed=$((failed + 1))
    echo "not ok $count - $what"
    printf '%s\n' "$said" | sed 's/^/# /'
}

done_testing() {
    echo "1..$count"
    echo "# $((count - failed)) passed, $failed failed"
    [ "$failed" -eq 0 ]
}
