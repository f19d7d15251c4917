#!/usr/bin/env bash
# edge/deploy.sh ARCHIVE PI [FLAG...]: copies an archive of bundle.sh to PI, such as pi@raspberrypi,
# and runs its install.sh there with these flags. The file of --mqtt-password-file is one of this machine's,
# and is copied through ssh: the password is on no command line.
#
# SSH is the command that connects, ssh by default; it asks for a password once.
set -euo pipefail
archive=$1 pi=$2
shift 2
fail() { echo "deploy.sh: $*" >&2; exit 2; }

flags=() password_file=
while [ $# -gt 0 ]; do
    if [ "$1" = --mqtt-password-file ]; then
        password_file=${2:-}
        [ -f "$password_file" ] && [ -r "$password_file" ] || fail "$password_file: no file that can be read"
        shift 2
    else
        flags+=("$1")
        shift
    fi
done

sockets=$(mktemp -d)
connect() { ${SSH:-ssh} -o ControlMaster=auto -o ControlPersist=60 -o ControlPath="$sockets/%C" "$@"; }
trap 'connect -O exit "$pi" 2>/dev/null || true; rm -rf "$sockets"' EXIT

# The remote shell parses its command again.
quoted() { printf " '%s'" "${@//\'/\'\\\'\'}"; }

echo "Copying $(du -h "$archive" | cut -f 1) to $pi"
# shellcheck disable=SC2016  # expanded there
answer=$(connect "$pi" 'folder=$(mktemp -d /var/tmp/vedette.XXXXXXXX) || exit
    tar -xzf - -C "$folder" && printf "\n%s\n" "$folder" || { rm -rf "$folder"; exit 1; }' <"$archive")
folder=$(tail -n 1 <<<"$answer") # after the messages of a login
[[ $folder =~ ^/var/tmp/vedette\.[A-Za-z0-9]{8}$ ]] || { echo "deploy.sh: $pi answered '$answer'" >&2; exit 1; }
if [ -n "$password_file" ]; then
    flags+=(--mqtt-password-file "$folder/mqtt-password")
    connect "$pi" "umask 077; cat >$folder/mqtt-password || { rm -rf $folder; exit 1; }" <"$password_file"
fi
terminal=()
if [ -t 0 ]; then terminal=(-t); fi # sudo may ask for a password
connect "${terminal[@]}" "$pi" "trap 'rm -rf $folder' EXIT HUP INT TERM
\$([ \$(id -u) = 0 ] || echo sudo) sh $folder/vedette/install.sh$([ ${#flags[@]} = 0 ] || quoted "${flags[@]}")"
