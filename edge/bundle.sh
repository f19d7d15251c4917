#!/usr/bin/env bash
# edge/bundle.sh [SYSTEM] [MODEL]: one archive that installs Vedette; prints its path.
#
# It contains install.sh, the edge's wheel and units, the documents, and MODEL. With a SYSTEM (bookworm-arm64, trixie-arm64, bookworm-armhf, bookworm-amd64, trixie-amd64)
# also all wheels for that system, so that the Pi needs no internet.
# PYTHON runs pip; by default .venv's, which make sets up.
set -euo pipefail
cd "$(dirname "$0")/.."
system=${1:-} model=${2:-} pip=("${PYTHON:-.venv/bin/python}" -m pip --quiet --disable-pip-version-check)
name=vedette${system:+-$system} work=$(mktemp -d)
folder=$work/vedette archive=build/$name.tar.gz
trap 'rm -rf "$work"' EXIT

fail() { echo "bundle.sh: $*" >&2; exit 2; }

case $system in
    '') ;;
    bookworm-arm64 | bookworm-amd64) python=3.11 glibc=36 constraints=edge/constraints-bookworm.txt ;;
    bookworm-armhf) python=3.11 glibc=36 constraints=edge/constraints-bookworm-armv7l.txt ;;
    trixie-arm64 | trixie-amd64) python=3.13 glibc=41 constraints=edge/constraints-trixie.txt ;;
    *) fail "SYSTEM is '$system'; expected bookworm-arm64, trixie-arm64, bookworm-armhf, bookworm-amd64 or trixie-amd64" ;;
esac
case $system in *-arm64) machine=aarch64 ;; *-armhf) machine=armv7l ;; *) machine=x86_64 ;; esac
[ -z "$model" ] || [ -f "$model" ] || fail "$model: file not found"

mkdir -p "$folder/docs" build
cp -r edge/install.sh edge/constraints-*.txt edge/vedette.service{,.d} edge/vedette-on@.service \
    edge/vedette-page.{service,socket{,.d}} edge/config.example.toml edge/README.md "$folder/"
cp docs/*.md docs/*.svg "$folder/docs/"
[ -z "$model" ] || cp "$model" "$folder/model.tflite"
"${pip[@]}" wheel --no-deps --build-constraint constraints.txt --wheel-dir "$folder" ./edge

if [ -n "$system" ]; then
    # The constraints name all that is installed, so pip resolves nothing, which it would do
    # for this machine and not for the Pi. On 32 bits numpy is apt's alone.
    requirements=$work/requirements.txt
    if [ "$machine" = armv7l ]; then grep -v '^numpy==' "$constraints"; else cat "$constraints"; fi >"$requirements"
    for minor in $(seq 17 "$glibc"); do
        platforms+=(--platform "manylinux_2_${minor}_$machine")
    done
    "${pip[@]}" download --no-deps --require-hashes --only-binary :all: --python-version "$python" \
        "${platforms[@]}" --platform "manylinux2014_$machine" --platform "linux_$machine" \
        --dest "$folder/wheels" --requirement "$requirements"
    echo "$system" >"$folder/wheels/SYSTEM"
fi
tar --sort=name --owner=0 --group=0 --numeric-owner --directory "$work" -czf "$archive" vedette
echo "$archive"
