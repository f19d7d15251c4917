#!/bin/sh
# Usage: sudo sh install.sh [--model FILE] [--camera SOURCE]
#        sudo sh install.sh --uninstall
#
# Installs Vedette on a Raspberry Pi or any 64-bit Debian, proves that it sees here what training
# saw, starts it, and waits for its first label. Run it again to upgrade, or to change model or
# camera. If the new version fails, the one before it goes on.
#
#   --model FILE     the .tflite file; without it model.tflite beside this script, or the present one
#   --camera SOURCE  picamera2, /dev/video0, rtsp://...; without it the present one, or picamera2
#   --uninstall      remove everything but the logs in /var/log/vedette

# Each installation lies in a folder of its own, /opt/vedette/1, /opt/vedette/2 and so on, with its
# environment, model, settings and unit. The link /opt/vedette/current names the one that runs. It
# is switched only after a self-test, and back again if no label comes.
set -eu
umask 022
unset PYTHONHOME PYTHONPATH
export TMPDIR=/var/tmp # pip unpacks there; /tmp is memory on trixie, and small Pis have little
here=$(cd "$(dirname "$0")" && pwd)
versions=/opt/vedette settings=/etc/vedette unit=/etc/systemd/system/vedette.service
command=/usr/local/bin/vedette python=/usr/bin/python3
space_mb=700                  # an environment takes 280 MB; pip and apt need some besides
wait_s=${VEDETTE_WAIT_S:-180} # how long the first label may take
model='' camera='' uninstall='' new='' old='' from_apt=''

usage() { sed -n '/^# Usage:/,/^$/s/^# \{0,1\}//p' "$0"; }
say() { printf '%s\n' "$*"; }
step() { printf '\n* %s\n' "$*"; }
fail() { printf '\ninstall.sh: %s\n' "$*" >&2; exit 1; }

# Runs a command, and shows what it said only if it fails.
quietly() {
    output=$("$@" 2>&1) || { printf '%s\n' "$output" | tail -n 20 >&2; return 1; }
}

read_arguments() {
    while [ $# -gt 0 ]; do
        case $1 in
            -h | --help) usage; exit 0 ;;
            --uninstall) uninstall=yes; shift; continue ;;
            --model | --camera) [ -n "${2:-}" ] || fail "$1 needs a value; see --help" ;;
            *) fail "'$1' is not understood; see --help" ;;
        esac
        if [ "$1" = --model ]; then model=$2; else camera=$2; fi
        shift 2
    done
    [ -n "$model" ] || [ ! -e "$here/model.tflite" ] || model=$here/model.tflite
    [ -z "$model" ] || [ -f "$model" ] || fail "there is no file $model"
    [ -z "$model" ] || model=$(realpath "$model")
}

begin() {
    [ "$(id -u)" = 0 ] || fail "only root may install: sudo sh $0"
    command -v systemctl >/dev/null || fail "there is no systemctl; Vedette is a service of systemd's"
    mkdir -p /run/lock
    exec 9>/run/lock/vedette-install
    flock -n 9 || fail "it runs already, elsewhere; wait until that has ended"
    cd /
}

check_system() {
    step "Looking at this system"
    # shellcheck source=/dev/null
    . /etc/os-release
    system=${VERSION_CODENAME:-unknown}-$(dpkg --print-architecture)
    case $system in
        bookworm-arm64 | bookworm-amd64) expected=3.11 constraints=constraints-bookworm.txt interpreter=litert ;;
        bookworm-armhf) expected=3.11 constraints=constraints-bookworm-armv7l.txt interpreter=tflite
            from_apt="python3-numpy python3-opencv" ;;
        trixie-arm64 | trixie-amd64) expected=3.13 constraints=constraints-trixie.txt interpreter=litert ;;
        trixie-armhf) fail "for 32-bit trixie there is no TFLite interpreter; use the 64-bit Raspberry Pi OS" ;;
        *) fail "this is $PRETTY_NAME ($system); expected is Raspberry Pi OS or Debian, bookworm or trixie, 64-bit" ;;
    esac
    [ "$(uname -m)" != armv6l ] || fail "for this processor (ARMv6: Pi 1, Zero, Zero W) there is no TFLite interpreter; use a newer Pi"
    found=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])') || found=none
    [ "$found" = "$expected" ] || fail "$python is Python $found, expected $expected: sudo apt install --reinstall python3"
    free_mb=$(df -Pm /opt | awk 'NR == 2 { print $4 }')
    [ "$free_mb" -ge "$space_mb" ] || fail "/opt has $free_mb MB free, $space_mb MB are needed; sudo apt clean frees some"
    say "$PRETTY_NAME, $system, Python $found, $free_mb MB free"
}

# What lies beside this script: the wheel alone, all wheels for one system, or the source.
check_bundle() {
    wheels=$here/wheels package=$here
    if [ -e "$wheels/SYSTEM" ]; then
        for_system=$(cat "$wheels/SYSTEM")
        [ "$for_system" = "$system" ] || fail "these wheels are for $for_system, this is $system: make bundle SYSTEM=$system"
    fi
    for wheel in "$here"/vedette_edge-*.whl; do
        [ ! -e "$wheel" ] || package=$wheel
    done
    [ -f "$package" ] || [ -e "$here/pyproject.toml" ] || fail "no vedette_edge-*.whl is beside $0; make deploy brings it along"
}

# The present version, the next one's folder, and away with what was never finished.
number_version() {
    old=$(readlink "$versions/current" || true) last=0
    for folder in "$versions"/[0-9]*; do
        [ -d "$folder" ] || continue
        [ "${folder##*/}" -le "$last" ] || last=${folder##*/}
        [ -e "$folder/checked" ] || rm -rf "$folder"
    done
    new=$versions/$((last + 1))
    mkdir -p "$new"
}

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

install_packages() {
    step "Looking for Debian's packages"
    needed='' wanted=''
    for name in python3-venv $from_apt; do
        installed "$name" || needed="$needed $name"
    done
    installed python3-picamera2 || wanted=python3-picamera2
    [ -n "$needed$wanted" ] || { say "All are here"; return; }
    quietly apt-get update -q || say "Their lists could not be brought up to date; going on with those that are here"
    [ -z "$needed" ] || add_packages "$needed" || fail "could not install$needed; sudo apt install$needed says more"
    [ -z "$wanted" ] || add_packages "$wanted" || say "So a camera on the Pi's own connector will not work; others will"
}

# Without what is only recommended: for picamera2 that is a desktop.
add_packages() {
    # shellcheck disable=SC2086  # a list of names
    set -- $1
    apt-cache show "$@" >/dev/null 2>&1 || { say "This Debian has no $*"; return 1; }
    say "Installing $*, which may take some minutes"
    DEBIAN_FRONTEND=noninteractive quietly apt-get install -y -q --no-install-recommends "$@"
}

add_user() {
    getent passwd vedette >/dev/null ||
        useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin vedette
    usermod --append --groups video vedette
}

make_environment() {
    step "Making an environment in $new"
    quietly "$python" -m venv --system-site-packages "$new" || fail "python3 -m venv failed, see above"
    constrain >"$new/constraints.txt"
    set -- --constraint "$new/constraints.txt" --no-cache-dir --no-input --disable-pip-version-check
    if [ -e "$wheels/SYSTEM" ]; then
        set -- "$@" --no-index --find-links "$wheels"
        say "From the wheels beside this script"
    else
        say "From the package index, which may take some minutes"
    fi
    # A 32-bit system on a 64-bit kernel calls itself aarch64, for which pip would look.
    case $system in *-armhf) machine="setarch linux32" ;; *) machine='' ;; esac
    # shellcheck disable=SC2086  # a command, or none
    quietly $machine "$new/bin/python" -m pip install "$@" "${package}[$interpreter]" ||
        fail "pip failed, see above. Without internet: make bundle SYSTEM=$system on another machine"
}

# Whatever numpy apt has stays: its picamera2 and OpenCV were built for it.
constrain() {
    numpy=''
    if installed python3-numpy; then
        numpy=$(dpkg-query -W -f '${Version}' python3-numpy | sed 's/^[0-9]*://; s/[-+~].*//')
    fi
    sed "${numpy:+s/^numpy==.*/numpy==$numpy/}" "$here/$constraints"
}

add_settings() {
    step "Model and settings"
    cp -r "$here/vedette.service" "$here/vedette.service.d" "$here/config.example.toml" "$here/README.md" "$new/"
    if [ -e "$settings/config.toml" ]; then
        cp "$settings/config.toml" "$new/config.toml"
        say "$settings/config.toml stays${camera:+, but for the camera}"
    else
        cp "$here/config.example.toml" "$new/config.toml"
    fi
    chmod 640 "$new/config.toml" # it may hold a camera's password
    [ -z "$camera" ] || set_camera
    add_model
    say "Model $(setting model), camera $(setting camera | sed 's|//[^/]*@|//...@|')"
}

set_camera() {
    "$python" - "$new/config.toml" "$camera" <<'END'
import json, pathlib, re, sys

path, camera = pathlib.Path(sys.argv[1]), sys.argv[2]
line = "camera = " + json.dumps(camera)  # a string of JSON is one of TOML
text, changed = re.subn(r"(?m)^\s*camera\s*=.*$", lambda _: line, path.read_text("utf-8"), count=1)
path.write_text(text if changed else f"{line}\n{text}", "utf-8")
END
}

# A setting of the new version, empty if it has none.
setting() {
    "$python" -c '
import sys, tomllib
try:
    print(tomllib.loads(sys.stdin.read()).get(sys.argv[1], ""))
except tomllib.TOMLDecodeError as error:
    sys.exit(str(error))' "$1" <"$new/config.toml" || fail "$settings/config.toml cannot be read, see above; mend it"
}

add_model() {
    named=$(setting model)
    if [ "$named" = "$settings/model.tflite" ]; then
        [ -n "$model" ] || model=$named
        [ -e "$model" ] || fail "there is no model yet: say which with --model FILE"
        install -m 644 "$model" "$new/model.tflite"
    elif [ -n "$model" ]; then
        fail "$settings/config.toml names another model, $named; make it $settings/model.tflite, or leave --model out"
    fi
}

# As the user that the service runs as, so that rights are proved as well.
check_version() {
    step "Does it see here what training saw?"
    checked=$new/model.tflite
    [ -e "$checked" ] || checked=$named
    # Settings are read, and judged, before help is given.
    quietly "$new/bin/vedette" run --config "$new/config.toml" --help || fail "mend $settings/config.toml first"
    runuser -u vedette -- "$new/bin/vedette" check "$checked" || fail "the self-test failed, see above"
    touch "$new/checked"
}

start() {
    step "Starting the service"
    keep_changes
    trap - EXIT HUP INT TERM
    switch_to "$new"
    log=$(setting log)
    [ -n "$log" ] || { say "It logs to no file: journalctl --unit vedette shows what it does"; return; }
    say "Waiting for the first label, at most $wait_s s"
    await_label || go_back
}

# What was changed by hand since it was installed belongs to the present version.
keep_changes() {
    [ -n "$old" ] || return 0
    [ ! -e "$settings/config.toml" ] || cp -p "$settings/config.toml" "$versions/$old/"
    [ -L "$settings/model.tflite" ] || [ ! -e "$settings/model.tflite" ] ||
        install -m 644 "$settings/model.tflite" "$versions/$old/"
}

# Makes a version the one that runs; its model and its settings, too.
switch_to() {
    mkdir -p "$settings"
    ln -sfn "${1##*/}" "$versions/current.new"
    mv -T "$versions/current.new" "$versions/current"
    [ ! -e "$1/model.tflite" ] || ln -sf "$versions/current/model.tflite" "$settings/model.tflite"
    install -m 640 -g vedette "$1/config.toml" "$settings/config.toml"
    install -m 644 "$1/vedette.service" "$unit"
    # Growing pauses between starts, which bookworm's systemd does not know yet.
    [ "${system%-*}" = bookworm ] || install -D -m 644 "$1/vedette.service.d/back-off.conf" -t "$unit.d"
    [ -e "$command" ] || ln -sfn "$versions/current/bin/vedette" "$command"
    systemctl daemon-reload
    systemctl enable --quiet vedette
    began=$(date +%Y-%m-%dT%H:%M:%S)
    systemctl restart --no-block vedette
}

await_label() {
    end=$(($(date +%s) + wait_s))
    until first_label; do
        [ "$(date +%s)" -lt "$end" ] || return 1
        sleep 2
    done
}

# The first change after a start is from no label at all.
first_label() {
    [ -e "$log" ] || return 1
    "$new/bin/vedette" log "$log" --event change --since "$began" --json 2>/dev/null | "$python" -c '
import json, sys
if not (first := next((one for one in map(json.loads, sys.stdin) if not one["previous"]), None)):
    sys.exit(1)
print("First label: %s (%.2f), at %s" % (first["label"], first["score"], first["time"]))'
}

go_back() {
    say "No label came within $wait_s s."
    systemctl stop vedette
    runuser -u vedette -- "$command" check --config "$settings/config.toml" || true
    if [ -n "$old" ]; then
        switch_to "$versions/$old"
        rm -rf "$new"
        fail "the version before this one runs again. What to mend is above; journalctl -u vedette has more"
    fi
    systemctl start --no-block vedette
    fail "it is installed, and goes on trying. What to mend is above; journalctl -u vedette has more"
}

# The present version and the one before it stay.
remove_old() {
    for folder in "$versions"/[0-9]*; do
        case ${folder##*/} in "${new##*/}" | "$old") ;; *) rm -rf "$folder" ;; esac
    done
}

# Whatever ends this before the switch leaves all as it was.
undo() {
    [ -z "$new" ] || rm -rf "$new"
    if [ -n "$old" ]; then
        say "Nothing was changed: the version that was installed before goes on." >&2
    else
        rmdir "$versions" 2>/dev/null || true
        say "Nothing was installed." >&2
    fi
}

remove_all() {
    step "Removing Vedette"
    systemctl disable --now --quiet vedette 2>/dev/null || true
    [ ! -L "$command" ] || rm -f "$command"
    rm -rf "$unit" "$unit.d" "$versions" "$settings"
    systemctl daemon-reload
    getent passwd vedette >/dev/null && userdel vedette
    [ ! -d /var/log/vedette ] || chown -R root:root /var/log/vedette
    say "Done. The logs in /var/log/vedette stay, and so do Debian's packages."
}

read_arguments "$@"
begin
[ -z "$uninstall" ] || { remove_all; exit; }
trap undo EXIT
trap 'exit 130' HUP INT TERM
check_system
check_bundle
number_version
add_settings
install_packages
add_user
make_environment
check_version
start
remove_old
step "Vedette runs, now and after each start of this machine"
say "What it sees: sudo vedette log --follow"
