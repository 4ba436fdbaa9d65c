#!/usr/bin/env bash
# The developer's entry. Each command works alone, also as the first one on a fresh machine: it
# installs the Debian packages that are missing, builds, and runs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH # the system's python3 and meson, whatever else is about
export LC_ALL=C.UTF-8 PYTHONDONTWRITEBYTECODE=1

readonly SUITES=(unit system fuzz model)
readonly LATER_SUITES=(sim overload release continuity kubernetes nodes)

readonly BUILD_PACKAGES=(gcc libc6-dev meson ninja-build pkgconf python3
    libc-ares-dev libcap-dev libjansson-dev libnghttp2-dev libseccomp-dev libsqlite3-dev libssl-dev
    libxxhash-dev libyaml-dev)
readonly UNIT_PACKAGES=(libcmocka-dev)
readonly SYSTEM_PACKAGES=(chromium curl nghttp2-client openssl python3-cryptography python3-grpcio
    python3-h2 python3-pytest python3-websockets python3-yaml strace)
readonly FUZZ_PACKAGES=(clang libclang-rt-dev)
readonly MODEL_PACKAGES=(spin)
readonly LONG_PACKAGES=(clang debootstrap libclang-rt-dev valgrind)
readonly BENCH_PACKAGES=(haproxy nghttp2-client nginx openssl)
readonly LINT_PACKAGES=(clang clang-format clang-tidy cppcheck shellcheck libcmocka-dev)

usage()
{
    cat <<'USAGE'
usage: ./do demo [--json FILE] [--keep]     see the shop stay up through releases and crashes
       ./do test [--long] [--only SUITE]    run the tests: unit, system, fuzz, model
                 [--pin]                    write the list of tests that must run
       ./do bench NAME [--json FILE]        measure: gateway
       ./do lint                            format, analysers, both compilers, layers
       ./do fuzz [TARGET] [--seconds N]     look for inputs that break a parser
USAGE
}

say()
{
    printf '%s\n' "$*" >&2
}

die()
{
    say "do: $*"
    exit 1
}

bad_usage()
{
    say "do: $*"
    usage >&2
    exit 2
}

# Says what is done; what the command prints is shown only if it fails, and then whole.
quietly()
{
    local what=$1 log status=0
    shift
    say "$what"
    log=$(mktemp)
    "$@" >"$log" 2>&1 || status=$?
    [ "$status" -eq 0 ] || cat "$log" >&2
    rm -f "$log"
    [ "$status" -eq 0 ] || die "$what: failed with $status"
}

### packages

as_root()
{
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        if sudo -n true 2>/dev/null; then sudo -n "$@"; else sudo "$@"; fi
    else
        die "not root, and there is no sudo: run as root once: apt-get install ${missing[*]}"
    fi
}

installed()
{
    # shellcheck disable=SC2016 # dpkg's own variable
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# The sanitizers' runtime has the compiler's version in its name.
package_name()
{
    local version
    if [ "$1" = libclang-rt-dev ]; then
        version=$(apt-cache depends clang | sed -n 's/.*Depends: clang-\([0-9]*\)$/\1/p')
        echo "libclang-rt-${version:-14}-dev"
    else
        echo "$1"
    fi
}

apt_get()
{
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 "$@"
}

# A server that comes with a package shall not start: this is somebody's machine.
forbid_services()
{
    local policy=/usr/sbin/policy-rc.d
    [ -e "$policy" ] && return
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
    trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
}

install_missing()
{
    local status=0
    forbid_services
    apt_get install --no-install-recommends "$@" || status=$?
    if [ "$status" -ne 0 ]; then # no package lists yet, or old ones
        apt_get update && apt_get install --no-install-recommends "$@" && status=0
    fi
    return "$status"
}

need()
{
    local package missing=()
    command -v apt-get >/dev/null ||
        die "this needs apt-get (Debian 12 or 13, Ubuntu 24.04) for: $*"
    [ "$*" = "${*/libclang-rt-dev/}" ] || apt-cache show clang >/dev/null 2>&1 ||
        quietly "reading the package lists" apt_get update
    for package in "$@"; do
        package=$(package_name "$package")
        installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] ||
        (quietly "installing ${missing[*]}" install_missing "${missing[@]}")
}

### building

# build FOLDER [MESON-OPTION...]: configured once, and again when the options have changed.
build()
{
    local folder=$1 wanted
    shift
    wanted="CC=${CC:-} $*"
    if [ "$(cat "$folder/do-options" 2>/dev/null)" != "$wanted" ]; then
        rm -rf "$folder"
        quietly "configuring $folder" meson setup "$folder" "$@"
        echo "$wanted" >"$folder/do-options"
    fi
    quietly "building $folder" ninja -C "$folder"
}

build_release()
{
    build build-release --buildtype=release -Dwerror=false # a newer compiler's warnings: see lint
}

build_asan()
{
    build build-asan -Db_sanitize=address,undefined -Dc_args=-fno-sanitize-recover=all
}

# By clang: gcc refuses the fences of the board, which no ThreadSanitizer can follow.
build_tsan()
{
    CC=clang build build-tsan -Db_sanitize=thread -Db_lundef=false
}

build_fuzz()
{
    CC=clang build build-fuzz -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false \
        -Dc_args='-fsanitize=fuzzer-no-link -fno-sanitize-recover=all'
}

### tests

# Each suite adds its results to the file $results, in the form of tests/tally.
results=

# meson_suite SUITE FOLDER LOG MESON-TEST-OPTION...
meson_suite()
{
    local suite=$1 folder=$2 log=$3
    shift 3
    rm -f "$folder/meson-logs/$log.json"
    meson test -C "$folder" --no-rebuild --quiet --print-errorlogs "$@" || true
    tests/tally meson "$suite" "$folder/meson-logs/$log.json" >>"$results"
}

# pytest_suite SUITE BUILD PYTEST-OPTION...
pytest_suite()
{
    local xml suite=$1 build=$2
    shift 2
    xml=$(mktemp)
    HOLDFAST_BUILD="$PWD/$build" /usr/bin/python3 -m pytest -q -ra -p no:cacheprovider \
        --junit-xml="$xml" "$@" tests/system || true
    [ ! -s "$xml" ] || tests/tally junit "$suite" "$xml" >>"$results"
    rm -f "$xml"
}

suite_unit()
{
    need "${BUILD_PACKAGES[@]}" "${UNIT_PACKAGES[@]}"
    build_asan
    meson_suite unit build-asan testlog --suite unit
}

# What needs the full speed is marked `load`; everything else runs under the sanitizers.
suite_system()
{
    need "${BUILD_PACKAGES[@]}" "${UNIT_PACKAGES[@]}" "${SYSTEM_PACKAGES[@]}"
    build_asan
    build_release
    pytest_suite system build-asan -m 'not load'
    pytest_suite system build-release -m load
}

suite_fuzz()
{
    need "${BUILD_PACKAGES[@]}" "${FUZZ_PACKAGES[@]}"
    build_fuzz
    meson_suite fuzz build-fuzz testlog --suite fuzz
    # What joins parsers with the state of a connection is searched as well, two at a time.
    fuzz_for fuzz 30 proxy_protocol h2_response &
    fuzz_for fuzz 30 tls_hello h2_session gateway_h1
    wait
}

suite_model()
{
    need "${BUILD_PACKAGES[@]}" "${MODEL_PACKAGES[@]}"
    tests/model/run --results "$results" || true
}

# What --long adds to a suite. Its results are suites of their own.
long_unit()
{
    need "${LONG_PACKAGES[@]}"
    build build-valgrind --buildtype=debugoptimized
    meson_suite unit-valgrind build-valgrind testlog-valgrind --suite unit \
        --no-suite layers --no-suite no-valgrind --timeout-multiplier 10 \
        --wrap 'valgrind -q --error-exitcode=99' # leaks: build-asan has LeakSanitizer
    build_tsan
    meson_suite unit-tsan build-tsan testlog --suite unit --no-suite layers --timeout-multiplier 5
}

long_system()
{
    need "${LONG_PACKAGES[@]}"
    build_tsan
    pytest_suite system-tsan build-tsan -m 'not load and not memory'
    as_root tests/minimal/run --results "$results" || true
}

long_fuzz()
{
    fuzz_for fuzz-long 60
}

long_model()
{
    tests/model/run --long --results "$results" || true
}

long_names()
{
    case $1 in
    unit) echo unit-valgrind unit-tsan ;;
    system) echo system-tsan minimal ;;
    fuzz) echo fuzz-long ;;
    model) echo model-long ;;
    esac
}

contains()
{
    local wanted=$1
    shift
    case " $* " in *" $wanted "*) return 0 ;; *) return 1 ;; esac
}

do_test()
{
    local suite names long=false pin=false suites=("${SUITES[@]}") ran=()
    while [ $# -gt 0 ]; do
        case $1 in
        --long) long=true ;;
        --pin) pin=true ;;
        --only)
            [ $# -ge 2 ] || bad_usage "--only needs a suite"
            suites=("$2")
            shift
            ;;
        *) bad_usage "test does not know $1" ;;
        esac
        shift
    done
    for suite in "${suites[@]}"; do
        ! contains "$suite" "${LATER_SUITES[@]}" || die "the suite $suite is not there yet"
        contains "$suite" "${SUITES[@]}" || bad_usage "there is no suite \"$suite\""
    done
    need python3
    results=$(mktemp)
    trap 'rm -f "$results"' EXIT
    for suite in "${suites[@]}"; do
        say "== $suite"
        "suite_$suite"
        ran+=("$suite")
        if $long; then
            "long_$suite"
            read -ra names < <(long_names "$suite")
            ran+=("${names[@]}")
        fi
    done
    say "== all"
    ! $pin || tests/tally pin "$results" "${ran[@]}"
    tests/tally report "$results" "${ran[@]}"
}

### the other commands

do_demo()
{
    need "${BUILD_PACKAGES[@]}"
    build_release
    exec examples/demo --holdfast "$PWD/build-release/holdfast" \
        --hfload "$PWD/build-release/tests/tools/hfload" "$@"
}

do_bench()
{
    local name=${1:-}
    [ -n "$name" ] || bad_usage "bench needs a name: gateway"
    [[ $name =~ ^[a-z]+$ && -x bench/$name ]] || bad_usage "there is no bench \"$name\""
    shift
    need "${BUILD_PACKAGES[@]}" "${BENCH_PACKAGES[@]}"
    build_release
    exec "bench/$name" "$@"
}

# fuzz_for SUITE SECONDS [TARGET...]: searches with targets (default: all) for so many seconds each.
# What they find goes to build-fuzz/found.
fuzz_for()
{
    local target binary verdict suite=$1 seconds=$2
    shift 2
    [ $# -gt 0 ] || for binary in build-fuzz/tests/fuzz/fuzz_*; do
        [ ! -f "$binary" ] || set -- "$@" "${binary##*/fuzz_}"
    done
    for target in "$@"; do
        mkdir -p "build-fuzz/found/$target" "build-fuzz/corpus/$target"
        verdict=pass
        say "fuzzing $target for $seconds s"
        "build-fuzz/tests/fuzz/fuzz_$target" -max_total_time="$seconds" -print_final_stats=1 \
            -artifact_prefix="build-fuzz/found/$target/" \
            "build-fuzz/corpus/$target" "tests/fuzz/corpus/$target" \
            >"build-fuzz/found/$target/log" 2>&1 || verdict=fail
        if [ "$verdict" = pass ]; then
            grep -E 'number_of_executed_units' "build-fuzz/found/$target/log" >&2
        else
            cat "build-fuzz/found/$target/log" >&2
        fi
        [ -z "$results" ] || printf '%s\t%s\t%s-search\t%s s\n' "$suite" "$verdict" "$target" "$seconds" >>"$results"
        [ "$verdict" = pass ] || found=true
    done
}

do_fuzz()
{
    local seconds=600 targets=() found=false
    while [ $# -gt 0 ]; do
        case $1 in
        --seconds)
            [ $# -ge 2 ] || bad_usage "--seconds needs a number"
            seconds=$2
            [[ $seconds =~ ^[1-9][0-9]{0,6}$ ]] || bad_usage "--seconds needs a number"
            shift
            ;;
        -*) bad_usage "fuzz does not know $1" ;;
        *)
            [ -e "tests/fuzz/fuzz_$1.c" ] || bad_usage "there is no fuzz target \"$1\""
            targets+=("$1")
            ;;
        esac
        shift
    done
    need "${BUILD_PACKAGES[@]}" "${FUZZ_PACKAGES[@]}"
    build_fuzz
    fuzz_for fuzz-long "$seconds" "${targets[@]}"
    ! $found || die "an input that breaks a target is in build-fuzz/found"
}

do_lint()
{
    need "${BUILD_PACKAGES[@]}" "${LINT_PACKAGES[@]}"
    exec tools/lint
}

case ${1:-} in
demo | test | bench | lint | fuzz)
    command=$1
    shift
    "do_$command" "$@"
    ;;
help | -h | --help) usage ;;
'')
    usage >&2
    exit 2
    ;;
*) bad_usage "there is no command $1" ;;
esac
