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
# is switched only after a self-test, and back again if no first label comes, for whatever reason
# but a power cut: then the next start is the new one's.
set -eu
umask 022
unset PYTHONHOME PYTHONPATH
export TMPDIR=/var/tmp # pip unpacks there; /tmp is memory on trixie, and small Pis have little
here=$(cd "$(dirname "$0")" && pwd)
versions=/opt/vedette settings=/etc/vedette unit=/etc/systemd/system/vedette.service
command=/usr/local/bin/vedette python=/usr/bin/python3
wait_s=${VEDETTE_WAIT_S:-180} # how long the first label may take
lock_s=300 # how long another apt may
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
    old=$(readlink "$versions/current" || true)
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
    # An environment takes 280 MB; pip needs some besides, and apt for its OpenCV.
    needed_mb=700
    [ -z "$from_apt" ] || needed_mb=1200
    free_mb=$(df -Pm /opt | awk 'NR == 2 { print $4 }')
    [ "$free_mb" -ge "$needed_mb" ] || fail "/opt has $free_mb MB free, $needed_mb MB are needed; sudo apt clean frees some"
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
        [ -e "$wheel" ] || continue
        [ "$package" = "$here" ] || fail "there are two wheels, ${package##*/} and ${wheel##*/}; unpack into an empty folder"
        package=$wheel
    done
    [ -f "$package" ] || [ -e "$here/pyproject.toml" ] || fail "no vedette_edge-*.whl is beside $0; make deploy brings it along"
}

# The numbers of all versions, finished or not.
numbers() { find "$versions" -maxdepth 1 -name '[0-9]*' ! -name '*[!0-9]*' -printf '%f\n' 2>/dev/null; }

# The next version's folder, and away with what was never finished.
number_version() {
    last=0
    for number in $(numbers); do
        [ "$number" -le "$last" ] || last=$number
        [ -e "$versions/$number/checked" ] || rm -rf "${versions:?}/$number"
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
    update_lists || say "Their lists could not be brought up to date; going on with those that are here"
    [ -z "$needed" ] || add_packages "$needed" || fail "could not install$needed; sudo apt install$needed says more"
    [ -z "$wanted" ] || add_packages "$wanted" || say "So a camera on the Pi's own connector will not work; others will"
}

# A fresh system is busy with its own first upgrade, for which an update, unlike an installation,
# does not wait by itself.
update_lists() {
    waited_s=0
    until lists=$(LC_ALL=C apt-get update -q 2>&1); do
        case $lists in *"Could not get lock"*) ;; *) printf '%s\n' "$lists" | tail -n 20 >&2; return 1 ;; esac
        [ "$waited_s" -gt 0 ] || say "Waiting for another apt, at most $lock_s s"
        [ "$waited_s" -lt "$lock_s" ] || return 1
        sleep 5
        waited_s=$((waited_s + 5))
    done
}

# Without what is only recommended: for picamera2 that is a desktop.
add_packages() {
    # shellcheck disable=SC2086  # a list of names
    set -- $1
    apt-cache show "$@" >/dev/null 2>&1 || { say "This Debian has no $*"; return 1; }
    say "Installing $*, which may take some minutes"
    DEBIAN_FRONTEND=noninteractive quietly apt-get install -y -q --no-install-recommends \
        -o DPkg::Lock::Timeout="$lock_s" -o Dpkg::Options::=--force-confold "$@" </dev/null
}

add_user() {
    getent group vedette >/dev/null || groupadd --system vedette
    ! uid=$(id -u vedette 2>/dev/null) || [ "$uid" -lt 1000 ] ||
        fail "there is a person named vedette here; the service needs that name: sudo usermod -l OTHER vedette"
    getent passwd vedette >/dev/null ||
        useradd --system --gid vedette --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin vedette
    usermod --append --groups video vedette
    # As the unit has it, so that the check finds what the service will.
    install -d -m 750 /var/log/vedette
    chown -R vedette:vedette /var/log/vedette
    chgrp vedette "$new/config.toml"
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
    # On a 64-bit kernel a 32-bit system calls itself aarch64, or armv8l where it is asked to be of
    # 32 bits: then OpenCV is apt's, as pyproject.toml has it, but pip knows of no wheels for it.
    case $system in *-armhf) machine="env _PYTHON_HOST_PLATFORM=linux-armv7l setarch linux32" ;; *) machine='' ;; esac
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
    for name in install.sh vedette.service vedette.service.d config.example.toml README.md docs; do
        [ ! -e "$here/$name" ] || cp -r "$here/$name" "$new/"
    done
    if [ -e "$settings/config.toml" ]; then
        cp "$settings/config.toml" "$new/config.toml"
        say "$settings/config.toml stays${camera:+, but for the camera}"
    else
        cp "$here/config.example.toml" "$new/config.toml"
    fi
    chmod 640 "$new/config.toml" # it may hold a camera's password
    watched=$(setting camera)
    [ -z "$camera" ] || set_camera
    [ -n "$camera$watched" ] || fail "$settings/config.toml names no camera; say which with --camera SOURCE"
    add_model
    say "Model $(setting model), camera $(setting camera | sed 's|//.*@|//...@|; s|?.*|?...|')"
}

set_camera() {
    "$python" - "$new/config.toml" "$camera" <<'END'
import json, pathlib, re, sys

path, camera = pathlib.Path(sys.argv[1]), sys.argv[2]
line = "camera = " + json.dumps(camera, ensure_ascii=False)  # a string of JSON is one of TOML
text, changed = re.subn(r"(?m)^[ \t]*camera[ \t]*=.*$", lambda _: line, path.read_text("utf-8"), count=1)
path.write_text(text if changed else f"{line}\n{text}", "utf-8")
END
}

# A setting of the new version, empty if it has none.
setting() {
    "$python" -c '
import sys, tomllib
try:
    print(tomllib.load(sys.stdin.buffer).get(sys.argv[1], ""))
except ValueError as error:
    sys.exit(str(error))' "$1" <"$new/config.toml" || fail "$settings/config.toml cannot be read, see above; fix it"
}

add_model() {
    named=$(setting model)
    if [ "$named" = "$settings/model.tflite" ]; then
        [ -n "$model" ] || model=$named
        [ -e "$model" ] || fail "there is no model yet: say which with --model FILE (make deploy: MODEL=FILE)"
        install -m 644 "$model" "$new/model.tflite"
    elif [ -z "$named" ]; then
        fail "$settings/config.toml names no model; add model = \"$settings/model.tflite\""
    elif [ -n "$model" ]; then
        fail "$settings/config.toml names another model, $named; make it $settings/model.tflite," \
            "or leave --model out (make deploy: MODEL=)"
    fi
}

# As the user that the service runs as, so that the rights of files are proved as well, but not what
# the unit forbids besides. Without the camera, which the present version has.
check_version() {
    step "Does it see here what training saw?"
    checked=$new/model.tflite
    [ -e "$checked" ] || checked=$named
    runuser -u vedette -- "$new/bin/vedette" check --config "$new/config.toml" --camera '' "$checked" || {
        [ ! -e "$settings/config.toml" ] || say "The settings are those in $settings/config.toml"
        fail "the check failed, see above"
    }
    touch "$new/checked"
    sync -f "$versions" # the plug may be pulled at any time
}

start() {
    step "Starting the service"
    keep_changes
    trap go_back EXIT
    switch_to "$new"
    say "Waiting for the first label, at most $wait_s s"
    await_label
    trap - EXIT HUP INT TERM PIPE
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
    systemctl stop vedette
    systemctl start --no-block vedette
}

# systemd holds it for active from the first classified frame on, and is told of each label, or that
# the camera is lost.
await_label() {
    waited_s=0
    until systemctl is-active --quiet vedette && label=$(systemctl show vedette --property=StatusText --value) &&
        [ -n "${label%%camera lost: *}" ]; do
        [ "$waited_s" -lt "$wait_s" ] || fail "no label came within $wait_s s"
        sleep 2
        waited_s=$((waited_s + 2))
    done
    say "First label: $label"
}

# Whatever ends the wait for a label, a lost connection, too.
go_back() {
    trap '' HUP INT TERM PIPE
    trap - EXIT
    set +e
    journalctl --unit vedette --lines 5 --no-pager --output cat
    systemctl stop vedette
    runuser -u vedette -- "$new/bin/vedette" check --config "$new/config.toml"
    switch_to "$versions/${old:-${new##*/}}"
    [ -n "$old" ] || fail "it is installed, and goes on trying. What to fix is above; journalctl -u vedette has more"
    rm -rf "$new"
    fail "the version before this one was started again. What to fix is above; journalctl -u vedette has more"
}

# The present version and the one before it stay.
remove_old() {
    for number in $(numbers); do
        case $number in "${new##*/}" | "$old") ;; *) rm -rf "${versions:?}/$number" ;; esac
    done
}

# Whatever ends this before the switch leaves all as it was.
undo() {
    [ -z "$new" ] || rm -rf "$new"
    if [ -n "$old" ]; then
        say "The version that was installed before goes on as it was." >&2
    else
        rmdir "$versions" 2>/dev/null || true
        say "Vedette was not installed." >&2
    fi
}

remove_all() {
    step "Removing Vedette"
    systemctl disable --now --quiet vedette 2>/dev/null || true
    [ ! -L "$command" ] || rm -f "$command"
    rm -rf "$unit" "$unit.d" "$versions" "$settings"
    systemctl daemon-reload
    ! getent passwd vedette >/dev/null || quietly userdel vedette || say "The user vedette stays"
    ! getent group vedette >/dev/null || quietly groupdel vedette || say "The group vedette stays"
    [ ! -d /var/log/vedette ] || chown -R root:root /var/log/vedette
    say "Done. The logs in /var/log/vedette stay, and so do Debian's packages."
}

read_arguments "$@"
begin
[ -z "$uninstall" ] || { remove_all; exit; }
trap undo EXIT
trap 'exit 130' HUP INT TERM PIPE
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
