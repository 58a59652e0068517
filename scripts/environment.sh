# What the scripts in this folder share: where things are, how to speak to the person, how to configure a build.
# Sourced, never run.

MILLRACE_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Elsewhere, several people or jobs can build one tree without disturbing one another.
MILLRACE_BUILD_DIR=${MILLRACE_BUILD_DIR:-$MILLRACE_ROOT/build}
MILLRACE_JOBS=${MILLRACE_JOBS:-2}
MILLRACE_VENV=$MILLRACE_ROOT/.venv
cd "$MILLRACE_ROOT"

# Lets clones in different folders share compiled objects.
export CCACHE_BASEDIR=$MILLRACE_ROOT CCACHE_NOHASHDIR=1
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=1:strict_string_checks=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-second_deadlock_stack=1}
export PYTHONDONTWRITEBYTECODE=1

if [[ -t 2 && -z ${NO_COLOR:-} ]]; then
  bold=$'\e[1m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
else
  bold='' red='' green='' plain=''
fi

# Standard output belongs to what a script starts (the broker's ready line, the test totals); people are told here.
say() { printf '%s\n' "$*" >&2; }
headline() { printf '%s== %s%s\n' "$bold" "$*" "$plain" >&2; }
fail() {
  printf '%serror:%s %s\n' "$red" "$plain" "$*" >&2
  exit 1
}

# The comment at the head of a script is its help: from the second line to the first that is no comment.
show_help() { sed -n '2,/^[^#]/{/^#/!d;s/^# \{0,1\}//;p}' "$1"; }

# configure PRESET [CMAKE-ARGUMENT...]: of a build folder that is configured, only what changes of the CMake files and of
# the set of sources ask for.
configure() {
  local preset=$1 dir=$MILLRACE_BUILD_DIR/$1
  shift
  if [[ -f $dir/build.ninja ]]; then
    ninja -C "$dir" build.ninja
    return
  fi
  cmake --preset "$preset" -B "$dir" "$@"
}
