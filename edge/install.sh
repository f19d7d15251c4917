#!/bin/sh
# Usage: sudo sh install.sh [--model FILE] [--camera SOURCE] [--mqtt URL] [--page]
#        sudo sh install.sh --uninstall
#
# Installs Vedette on a Raspberry Pi or any 64-bit Debian, runs the self-test, starts the service, and
# waits for its first label. Run it again to upgrade, or to change the model, the camera or the broker. If
# the new version fails, the previous one continues.
#
#   --model FILE     the .tflite file; by default model.tflite next to this script, or the current one
#   --camera SOURCE  picamera2, /dev/video0, rtsp://...; by default the current one, or picamera2
#   --mqtt URL       an MQTT broker to tell, such as Home Assistant's: mqtt://USER@HOST:PORT, or mqtts://
#                    with TLS; asks for the password of USER if there is none yet
#   --mqtt-password-file FILE
#                    a file whose first line is that password, instead of asking
#   --page           serve the page of the watch to the network, on port 8470, to those who have the token
#                    that the installation prints
#   --uninstall      remove everything except the logs, the snapshots and your own commands

# Each installation has its own folder, /opt/vedette/1, /opt/vedette/2 and so on, with its
# environment, model, settings, password and unit. The link /opt/vedette/current points to the one that runs. It
# changes only after a self-test, and changes back if no first label arrives, for any reason but a
# power cut: after that, the new version starts.
set -eu
umask 022
unset CDPATH PYTHONHOME PYTHONPATH
export TMPDIR=/var/tmp # pip unpacks there; /tmp is memory on trixie, and small Pis have little
here=$(cd -- "$(dirname -- "$0")" && pwd)
versions=/opt/vedette settings=/etc/vedette unit=/etc/systemd/system/vedette.service
page_unit=${unit%.service}-page
command=/usr/local/bin/vedette python=/usr/bin/python3
password=$settings/mqtt-password token=$settings/token credentials=/run/credentials/ state=/var/lib/vedette
wait_s=${VEDETTE_WAIT_S:-180} # for the first label
lock_s=300 # for another apt
leave_s=10 # to leave a broker
model='' camera='' mqtt='' password_file='' page='' uninstall='' new='' old='' from_apt='' checking=''

usage() { sed -n '/^# Usage:/,/^$/s/^# \{0,1\}//p' "$0"; }
say() { printf '%s\n' "$(printable "$*")"; }
step() { printf '\n* %s\n' "$*"; }
fail() { printf '\ninstall.sh: %s\n' "$(printable "$*")" >&2; exit 1; }
# Settings may hold characters that control a terminal, those of two bytes included.
printable() { printf %s "$1" | LC_ALL=C sed -z 's/\xc2[\x80-\x9f]/?/g; s/[[:cntrl:]]/?/g'; }

# Runs a command, and prints its output only if it fails.
quietly() {
    output=$("$@" 2>&1) || { printf '%s\n' "$output" | tail -n 20 >&2; return 1; }
}

read_arguments() {
    while [ $# -gt 0 ]; do
        case $1 in
            -h | --help) usage; exit 0 ;;
            --page) page=yes; shift; continue ;;
            --uninstall) uninstall=yes; shift; continue ;;
            --model | --camera | --mqtt | --mqtt-password-file) [ -n "${2:-}" ] || fail "$1 needs a value; see --help" ;;
            --*=*) fail "write a space instead of = after ${1%%=*}" ;;
            *) fail "unknown argument '${1%%:*}'; see --help" ;; # a URL may hold a password
        esac
        case $1 in
            --model) model=$2 ;;
            --camera) camera=$2 ;;
            --mqtt) mqtt=$2 ;;
            --mqtt-password-file) password_file=$2 ;;
        esac
        shift 2
    done
    [ -n "$model" ] || [ ! -e "$here/model.tflite" ] || model=$here/model.tflite
    [ -z "$model" ] || [ -f "$model" ] || fail "$model: file not found"
    [ -z "$model" ] || model=$(realpath -- "$model")
    check_broker
}

check_broker() {
    case ${mqtt#*://} in
        *:*@*) fail "a password in --mqtt shows in the list of processes; leave it out, and use --mqtt-password-file FILE" ;;
    esac
    case $mqtt in
        '' | mqtt://?* | mqtts://?*) ;;
        *) fail "--mqtt is no URL of a broker, expected mqtt://USER@HOST:PORT, or mqtts:// with TLS" ;;
    esac
    [ -n "$password_file" ] || return 0
    [ -f "$password_file" ] || fail "$password_file: file not found"
    password_file=$(realpath -- "$password_file")
}

begin() {
    [ "$(id -u)" = 0 ] || fail "run this as root: sudo sh $0"
    command -v systemctl >/dev/null || fail "systemctl not found; Vedette runs as a systemd service"
    umask 077 # whoever may open it may hold it
    exec 9>/run/vedette-install.lock
    umask 022
    flock -n 9 || fail "another installation is running; wait until it ends"
    cd /
    old=$(readlink "$versions/current" || true)
    old=${old##*/}
    [ -n "$uninstall$old" ] || [ ! -e "$versions/current" ] ||
        fail "$versions/current is a file or folder, expected a link to a version: ln -s NUMBER $versions/current"
}

# Forgets a version whose folder was removed: nothing runs that could continue.
forget_removed() {
    [ -n "$old" ] && [ ! -d "$versions/current" ] || return 0
    say "$versions/current leads to version $old, which is gone; a new one takes its place"
    rm "$versions/current"
    old=''
}

check_system() {
    step "Checking this system"
    # shellcheck source=/dev/null
    . /etc/os-release
    system=${VERSION_CODENAME:-unknown}-$(dpkg --print-architecture)
    case $system in
        bookworm-arm64 | bookworm-amd64) expected=3.11 constraints=constraints-bookworm.txt ;;
        bookworm-armhf) expected=3.11 constraints=constraints-bookworm-armv7l.txt
            from_apt="python3-numpy python3-opencv" ;;
        trixie-arm64 | trixie-amd64) expected=3.13 constraints=constraints-trixie.txt ;;
        trixie-armhf) fail "32-bit trixie has no TFLite interpreter; use the 64-bit Raspberry Pi OS" ;;
        *) fail "this is $PRETTY_NAME ($system), expected 64-bit Raspberry Pi OS or Debian, bookworm or trixie" ;;
    esac
    [ "$(uname -m)" != armv6l ] || fail "this processor (ARMv6: Pi 1, Zero, Zero W) has no TFLite interpreter; use a newer Pi"
    found=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])') || found=none
    [ "$found" = "$expected" ] || fail "$python is Python $found, expected $expected: sudo apt install --reinstall python3"
    # An environment takes 280 MB; pip needs more for its work, and apt for OpenCV.
    needed_mb=700
    [ -z "$from_apt" ] || needed_mb=1200
    disk=/opt
    [ ! -e "$versions" ] || disk=$versions # perhaps a link to a larger one
    free_mb=$(df -Pm "$disk" | awk 'NR == 2 { print $4 }')
    [ "$free_mb" -ge "$needed_mb" ] || fail "$disk has $free_mb MB free, expected at least $needed_mb MB; try: sudo apt clean"
    say "$PRETTY_NAME, $system, Python $found, $free_mb MB free"
}

# Next to this script: only the wheel, all wheels for one system, or the source.
check_bundle() {
    wheels=$here/wheels package=$here
    if [ -e "$wheels/SYSTEM" ]; then
        for_system=$(cat "$wheels/SYSTEM")
        [ "$for_system" = "$system" ] || fail "these wheels are for $for_system, this is $system: make bundle SYSTEM=$system"
    fi
    for wheel in "$here"/vedette_edge-*.whl; do
        [ -e "$wheel" ] || continue
        [ "$package" = "$here" ] || fail "two wheels found, ${package##*/} and ${wheel##*/}; unpack into an empty folder"
        package=$wheel
    done
    [ -f "$package" ] || [ -e "$here/pyproject.toml" ] || fail "no vedette_edge-*.whl next to $0; make deploy copies it there"
}

# The numbers of all versions, finished or not. Other names, also those of dates, are somebody's own.
numbers() {
    find -H "$versions" -maxdepth 1 -name '[1-9]*' ! -name '*[!0-9]*' ! -name '???????*' -printf '%f\n' 2>/dev/null
}

# Creates the next version's folder, and removes those that were never finished.
number_version() {
    last=0
    for number in $(numbers); do
        [ "$number" -le "$last" ] || last=$number
        [ -e "$versions/$number/checked" ] || rm -rf "${versions:?}/$number"
    done
    mkdir -p "$versions"
    mkdir "$versions/$((last + 1))" # fails if it exists: undo removes only what this run creates
    new=$versions/$((last + 1))
}

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

install_packages() {
    step "Checking Debian packages"
    needed='' wanted=''
    for name in python3-venv $from_apt; do
        installed "$name" || needed="$needed $name"
    done
    installed python3-picamera2 || wanted=python3-picamera2
    [ -n "$needed$wanted" ] || { say "All are installed"; return; }
    update_lists || say "Cannot update the package lists; continuing with the present ones"
    [ -z "$needed" ] || add_packages "$needed" || fail "cannot install$needed; for details: sudo apt install$needed"
    [ -z "$wanted" ] || add_packages "$wanted" || say "A camera on the Pi's own connector will not work; other cameras will"
}

# A fresh system runs its own first upgrade. apt-get install waits for it, apt-get update does not.
update_lists() {
    waited_s=0
    until lists=$(LC_ALL=C apt-get update -q 2>&1); do
        case $lists in *"Could not get lock"*) ;; *) printf '%s\n' "$lists" | tail -n 20 >&2; return 1 ;; esac
        [ "$waited_s" -gt 0 ] || say "Waiting up to $lock_s s for another apt"
        [ "$waited_s" -lt "$lock_s" ] || return 1
        sleep 5
        waited_s=$((waited_s + 5))
    done
}

# Without recommended packages: for picamera2 that would be a desktop.
add_packages() {
    # shellcheck disable=SC2086  # a list of names
    set -- $1
    apt-cache show "$@" >/dev/null 2>&1 || { say "This Debian has no package $*"; return 1; }
    say "Installing $*: may take some minutes"
    DEBIAN_FRONTEND=noninteractive quietly apt-get install -y -q --no-install-recommends \
        -o DPkg::Lock::Timeout="$lock_s" -o Dpkg::Options::=--force-confold "$@" </dev/null
}

add_user() {
    getent group vedette >/dev/null || groupadd --system vedette
    ! uid=$(id -u vedette 2>/dev/null) || [ "$uid" -lt 1000 ] ||
        fail "the user vedette is a person, but the service needs that name: sudo usermod -l OTHER vedette"
    getent passwd vedette >/dev/null ||
        useradd --system --gid vedette --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin vedette
    usermod --append --groups video vedette
    # As in the unit, so that the check has the service's rights.
    install -d -m 750 /var/log/vedette "$state"
    chown -R vedette:vedette /var/log/vedette/ # also if it is a link
    chown vedette:vedette "$state/"
    [ ! -e "$state/snapshots" ] || chown -R vedette:vedette "$state/snapshots/"
    chgrp vedette "$new/config.toml"
    [ ! -e "$new/mqtt-password" ] || { chgrp vedette "$new/mqtt-password" && chmod 640 "$new/mqtt-password"; }
}

make_environment() {
    step "Creating an environment in $new"
    quietly "$python" -m venv --system-site-packages "$new" || fail "python3 -m venv failed, see above"
    constrain >"$new/constraints.txt"
    set --
    if [ -e "$wheels/SYSTEM" ]; then
        set -- --no-index --find-links "$wheels"
        say "From the wheels next to this script"
    else
        say "From the package index: may take some minutes"
    fi
    run_pip "$@" --require-hashes --only-binary :all: --requirement "$new/constraints.txt"
    [ -f "$package" ] || # the source, and what builds it
        run_pip --require-hashes --only-binary :all: --target "$new/build" --requirement "$here/constraints-build.txt"
    run_pip --no-index --no-build-isolation "$package"
    rm -rf "$new/build"
}

# Installs what is named, and nothing else.
run_pip() {
    # On a 64-bit kernel a 32-bit system reports aarch64, or armv8l in a 32-bit process, and pip has no wheels for these.
    case $system in *-armhf) machine="_PYTHON_HOST_PLATFORM=linux-armv7l setarch linux32" ;; *) machine='' ;; esac
    # shellcheck disable=SC2086  # a command, or none
    quietly env PYTHONPATH="$new/build" $machine "$new/bin/python" -m pip install --no-deps \
        --no-cache-dir --no-input --disable-pip-version-check "$@" ||
        fail "pip failed, see above. Without internet: make bundle SYSTEM=$system on another machine"
}

# apt's numpy stays: apt's picamera2 and OpenCV are built for it.
constrain() {
    numpy=''
    if installed python3-numpy; then
        numpy=$(dpkg-query -W -f '${Version}' python3-numpy | sed 's/^[0-9]*://; s/[-+~].*//')
    fi
    sed "${numpy:+s/^numpy==[^ ]*/numpy==$numpy/}" "$here/$constraints"
}

add_settings() {
    step "Model and settings"
    for name in install.sh vedette.service vedette.service.d vedette-on@.service vedette-page.service vedette-page.socket \
        vedette-page.socket.d config.example.toml README.md docs; do
        [ ! -e "$here/$name" ] || cp -r "$here/$name" "$new/"
    done
    if [ -e "$settings/config.toml" ]; then
        cp "$settings/config.toml" "$new/config.toml"
        say "Keeping $settings/config.toml${camera:+, except the camera}${mqtt:+, except the broker}"
    else
        cp "$here/config.example.toml" "$new/config.toml"
    fi
    chmod 640 "$new/config.toml" # it may hold a camera's password
    watched=$(setting camera)
    [ -z "$camera" ] || set_setting camera "$camera"
    [ -n "$camera$watched" ] || fail "$settings/config.toml names no camera; add --camera SOURCE"
    add_model
    add_broker
    watched=$(setting camera) told=$(setting mqtt)
    [ -z "$told" ] || told=", broker $(printable "$told" | shorten_address)"
    say "Model $(setting model), camera $(printable "$watched" | shorten_address)$told"
}

# Scheme, host and port, as all else may hold a password; the scheme alone where an @ follows the host,
# and nothing of a mistyped address. A rate of the synthetic camera follows an @, too.
shorten_address() {
    scheme='[A-Za-z][A-Za-z0-9+.-]*://'
    sed -E "/^synthetic:[0-9x@.]+$/b; s|^($scheme)[^/?#]*[/?#].*@.*|\1...|; t; s|^($scheme)([^/?#]*@)?([^/?#]*).*|\1\3|; t; s|.*@.*|...|"
}

# Sets a key of the new version to a text, or removes it if that is empty. A new line comes first, as no
# table may precede it.
set_setting() {
    "$python" - "$new/config.toml" "$1" "$2" <<'END'
import json, pathlib, re, sys

path, key, value = pathlib.Path(sys.argv[1]), *sys.argv[2:]
if re.search(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]", value):
    sys.exit(f"install.sh: --{key} has a control character or is not UTF-8; type it again")
# A string of JSON is one of TOML.
line = f"{key} = {json.dumps(value, ensure_ascii=False)}\n" if value else ""
known = rf"(?m)^[ \t]*[\"']?{key.replace('-', '[-_]')}[\"']?[ \t]*=.*\n?"
text, changed = re.subn(known, lambda _: line, path.read_text("utf-8-sig"), count=1)
path.write_text(text if changed else line + text, "utf-8")
END
}

# A setting of the new version, or of another file; empty if it has none.
setting() {
    "$python" -c '
import sys, tomllib
try:
    print(tomllib.loads(sys.stdin.buffer.read().decode("utf-8-sig")).get(sys.argv[1], ""))
except ValueError as error:
    sys.exit(str(error))' "$1" <"${2:-$new/config.toml}" || fail "cannot read $settings/config.toml: see above, and fix it"
}

add_model() {
    named=$(setting model)
    if [ "$named" = "$settings/model.tflite" ]; then
        [ -n "$model" ] || model=$named
        [ -e "$model" ] || fail "no model yet: add --model FILE (make deploy: MODEL=FILE)"
        install -m 644 "$model" "$new/model.tflite"
    elif [ -z "$named" ]; then
        fail "$settings/config.toml names no model; add model = \"$settings/model.tflite\""
    elif [ -n "$model" ]; then
        fail "$settings/config.toml names another model, $named; change it to $settings/model.tflite," \
            "or omit --model (make deploy: MODEL=)"
    fi
}

# The password has a file of its own, and is in no variable and no argument, which others could read.
add_broker() {
    secret=$(setting mqtt-password-file)
    [ -n "$secret" ] || secret=$(setting mqtt_password_file)
    [ -z "$password_file" ] || [ -n "$mqtt$(setting mqtt)" ] || fail "--mqtt-password-file needs a broker; add --mqtt URL"
    [ -z "$mqtt" ] || set_setting mqtt "$mqtt"
    umask 077
    if [ -n "$password_file" ]; then
        head -c 5000 -- "$password_file" | head -n 1 >"$new/mqtt-password"
        grep -q . "$new/mqtt-password" || fail "$password_file: its first line is empty, expected the broker's password"
        secret=$password
    elif [ -n "$mqtt" ] && [ "$mqtt" = "${mqtt#*@}" ]; then
        secret='' # without a user, no password
    elif [ -n "$mqtt" ] && [ -z "$secret" ]; then
        ask_password >"$new/mqtt-password"
        secret=$password
    elif [ -e "$password" ]; then
        case $secret in "$password" | "$credentials"*) cp "$password" "$new/mqtt-password" ;; esac
    fi
    umask 022
    [ -z "$mqtt$password_file" ] || set_setting mqtt-password-file "$secret"
}

ask_password() {
    [ -t 0 ] || fail "the broker's user needs a password; add --mqtt-password-file FILE (make deploy: MQTT_PASSWORD_FILE=FILE)"
    "$python" -c '
import getpass, sys
try:
    password = getpass.getpass("Password of the broker: ")
except (EOFError, KeyboardInterrupt):
    password = ""
if not password:
    sys.exit("install.sh: no password; if the broker needs none, leave the user out of --mqtt")
print(password)' || exit
}

# Without the camera, which the current version uses.
check_version() {
    step "Running the self-test"
    checked=$new/model.tflite
    [ -e "$checked" ] || checked=$named
    run_check --camera '' "$checked" || {
        [ ! -e "$settings/config.toml" ] || say "The settings come from $settings/config.toml"
        fail "the check failed, see above"
    }
    sync -f "$versions"
    touch "$new/checked"
}

# Runs as the service's user, which tests access to files too, but not the unit's other restrictions.
# In a session of its own, as a damaged model could otherwise type commands into root's terminal; in the
# background, as Ctrl-C reaches only this script then.
run_check() {
    [ ! -e "$new/mqtt-password" ] || set -- --mqtt-password-file "$new/mqtt-password" "$@"
    setsid runuser -u vedette -- "$new/bin/vedette" check --config "$new/config.toml" "$@" </dev/null 9>&- &
    checking=$!
    wait "$checking" || { code=$?; checking=''; return "$code"; }
    checking=''
}

start() {
    step "Starting the service"
    keep_changes
    trap go_back EXIT
    switch_to "$new"
    say "Waiting up to $wait_s s for the first label"
    await_label
    trap - EXIT HUP INT QUIT TERM PIPE
}

# Changes by hand since the installation belong to the current version.
keep_changes() {
    [ -n "$old" ] || return 0
    [ ! -e "$settings/config.toml" ] || put "$settings/config.toml" "$versions/$old" -m 640 -g vedette
    if [ -e "$password" ]; then
        put "$password" "$versions/$old" -m 640 -g vedette
    else
        rm -f "$versions/$old/mqtt-password"
    fi
    [ -L "$settings/model.tflite" ] || [ ! -e "$settings/model.tflite" ] ||
        put "$settings/model.tflite" "$versions/$old" -m 644
}

# Switches to a version, with its model and settings. The power may fail at any time: each version can
# run with the settings and the unit of the next one, so these come first, and are on the disk before
# the link changes.
switch_to() {
    [ ! -e "$1/mqtt-password" ] || put_password "$1" # before the settings that name it
    put "$1/config.toml" "$settings" -m 640 -g vedette
    [ ! -e "$1/model.tflite" ] || link "$versions/current/model.tflite" "$settings/model.tflite"
    put "$1/vedette.service" "${unit%/*}" -m 644
    for name in vedette-on@.service vedette-page.service vedette-page.socket; do
        [ ! -e "$1/$name" ] || put "$1/$name" "${unit%/*}" -m 644
    done
    # Growing pauses between restarts; bookworm's systemd does not support them.
    [ "${system%-*}" = bookworm ] || put "$1/vedette.service.d/back-off.conf" "$unit.d" -m 644
    write_out
    link "${1##*/}" "$versions/current"
    [ -e "$command" ] || link "$versions/current/bin/vedette" "$command"
    systemctl daemon-reload
    systemctl enable --quiet vedette
    write_out
    systemctl stop vedette
    systemctl start --no-block vedette
    systemctl try-restart --no-block vedette-page.socket 'vedette-on@*' 2>/dev/null || true
}

# If systemd hands it over, only root may read the file.
put_password() {
    rights='-m 640 -g vedette'
    ! grep -q "^[^#]*$credentials" "$1/config.toml" || rights='-m 600 -g root'
    # shellcheck disable=SC2086  # four words
    put "$1/mqtt-password" "$settings" $rights
}

# Puts a file into a folder, or a link in its place: the old one or the new one is there, and whole.
put() {
    file=$1 place=$2/${1##*/}
    mkdir -p "$2"
    shift 2
    install "$@" "$file" "$place.new"
    sync "$place.new"
    mv -T "$place.new" "$place"
}
link() {
    ln -sfn "$1" "$2.new"
    mv -T "$2.new" "$2"
}
write_out() { sync -f "$versions" "$settings" "$unit" "${command%/*}"; }

# The service is active after the self-test. Its status is the latest label, or that the camera is lost.
await_label() {
    waited_s=0
    until systemctl is-active --quiet vedette && label=$(systemctl show vedette --property=StatusText --value) &&
        [ -n "${label%%camera lost: *}" ]; do
        [ "$waited_s" -lt "$wait_s" ] || fail "no label within $wait_s s"
        sleep 2
        waited_s=$((waited_s + 2))
    done
    say "First label: $label"
}

# systemd listens for the page, and starts it at the first request.
open_page() {
    [ -n "$page" ] || return 0
    step "Opening the page"
    put "$new/vedette-page.socket.d/network.conf" "$page_unit.socket.d" -m 644
    shown="in $token"
    [ -s "$token" ] || { make_token; shown="shown this once: $(cat "$token")"; }
    write_out
    systemctl daemon-reload
    systemctl enable --quiet vedette-page.socket
    systemctl stop vedette-page.socket # which has other addresses, perhaps
    systemctl start vedette-page.socket ||
        fail "Vedette runs, but nothing can listen on port 8470; see: systemctl status vedette-page.socket"
    name=$(uname -n)
    case $name in *.*) ;; *) name=$name.local ;; esac
    say "http://$name:8470/ asks for the token, $shown"
}

make_token() {
    umask 077
    "$python" -c 'import secrets; print(secrets.token_hex(16))' >"$new/token"
    umask 022
    put "$new/token" "$settings" -m 640 -g vedette
    rm "$new/token"
}

# Runs whatever ends the wait for a label, even a lost connection.
go_back() {
    trap '' HUP INT QUIT TERM PIPE
    trap - EXIT
    set +e
    journalctl --unit vedette --lines 5 --no-pager --output cat
    systemctl stop vedette
    run_check
    switch_to "$versions/${old:-${new##*/}}"
    [ -z "$old" ] || [ -e "$versions/$old/mqtt-password" ] || rm -f "$password"
    [ -n "$old" ] || fail "installed, and keeps trying. Fix the faults above; for more: journalctl -u vedette"
    rm -rf "$new"
    fail "restarted the previous version. Fix the faults above; for more: journalctl -u vedette"
}

# Keeps the current version and the previous one.
remove_old() {
    for number in $(numbers); do
        case $number in "${new##*/}" | "$old") ;; *) rm -rf "${versions:?}/$number" ;; esac
    done
}

# Before the switch, any failure leaves everything as it was.
undo() {
    [ -z "$checking" ] || kill -- "-$checking" 2>/dev/null || true
    [ -z "$new" ] || rm -rf "$new"
    if [ -n "$old" ]; then
        say "The installed version continues." >&2
    else
        rmdir "$versions" 2>/dev/null || true
        say "Vedette was not installed." >&2
    fi
}

remove_all() {
    step "Removing Vedette"
    systemctl stop 'vedette-on@*' 2>/dev/null || true
    systemctl disable --now --quiet vedette-page.socket 2>/dev/null || true # and the page with it
    systemctl disable --now --quiet vedette 2>/dev/null || true
    leave_broker
    [ ! -L "$command" ] || rm -f "$command"
    # Where a folder is a link, its target may hold somebody's own files as well.
    for number in $(numbers); do rm -rf "${versions:?}/$number"; done
    rm -rf "$versions/current" "$settings/config.toml" "$settings/model.tflite" "$password" "$token" "$settings/page.conf"
    rm -rf "$state/probed" "$state/settings.json" "$state/policy.json"
    rm -rf "$unit" "$unit.new" "$unit.d" "${unit%/*}"/vedette-on@* "$page_unit".* "$versions"
    find "${unit%/*}" -path '*.wants/vedette-on@*' -type l -delete 2>/dev/null || true
    kept="the logs in /var/log/vedette"
    remove_all_but snapshots "$state" "the snapshots"
    remove_all_but on.d "$settings" "your commands"
    systemctl daemon-reload
    ! getent passwd vedette >/dev/null || quietly userdel vedette || say "The user vedette stays"
    ! getent group vedette >/dev/null || quietly groupdel vedette || say "The group vedette stays"
    [ ! -d /var/log/vedette ] || chown -R root:root /var/log/vedette/
    [ ! -d "$state" ] || chown root:root "$state/"
    [ ! -d "$state/snapshots" ] || chown -R root:root "$state/snapshots/"
    say "Done. Kept: $kept, and Debian's packages."
}

# After the watch has ended, or it would come back, and before its password goes.
leave_broker() {
    told=$(setting mqtt "$settings/config.toml" 2>/dev/null) || return 0
    [ -n "$told" ] && [ -x "$versions/current/bin/vedette" ] || return 0
    say "Removing this device from the broker: at most $leave_s s"
    set -- --config "$settings/config.toml"
    if [ -e "$password" ] && grep -q "^[^#]*$credentials" "$settings/config.toml"; then
        chgrp vedette "$password" && chmod 640 "$password" # systemd no longer hands it over
        set -- "$@" --mqtt-password-file "$password"
    fi
    quietly setsid -w timeout -k 1 "$leave_s" runuser -u vedette -- "$versions/current/bin/vedette" mqtt remove "$@" \
        </dev/null 9>&- && return
    id=$(setting mqtt-id "$settings/config.toml")
    say "The broker still knows this device. Delete it in Home Assistant, or, where Vedette is installed, run:" \
        "vedette mqtt remove --mqtt $(printable "$told" | shorten_address) --mqtt-id ${id:-$(uname -n)}"
}

# Removes a folder, but for one in it that holds something.
remove_all_but() {
    rmdir "$2/$1" 2>/dev/null || true
    [ -e "$2/$1" ] || { rm -rf "$2"; return; }
    [ -L "$2" ] || find "$2" -mindepth 1 -maxdepth 1 ! -name "$1" -exec rm -rf {} +
    kept="$kept, $3 in $2/$1"
}

read_arguments "$@"
begin
[ -z "$uninstall" ] || { remove_all; exit; }
forget_removed
trap undo EXIT
trap 'exit 130' HUP INT QUIT TERM PIPE
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
open_page
write_out
step "Vedette runs now, and starts with this machine"
say "To follow its labels: sudo vedette log --follow"
